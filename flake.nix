{
  description = "OllamaLive: a USB stick that turns a gaming PC into an Ollama server";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = {
    self,
    nixpkgs,
  }: let
    inherit (nixpkgs) lib;

    # The appliance is for PCs; its sources can be worked on from anywhere.
    system = "x86_64-linux";
    pkgs = nixpkgs.legacyPackages.${system};
    forDevelopers = f:
      lib.genAttrs [system "aarch64-linux" "aarch64-darwin"] (
        name: f nixpkgs.legacyPackages.${name}
      );

    appliance = self.nixosConfigurations.OllamaLive;
    inherit (appliance.config.system.build) images toplevel vm;
  in {
    nixosModules.default = ./modules;

    nixosConfigurations.OllamaLive = lib.nixosSystem {
      modules = [
        self.nixosModules.default
        ./configuration.nix
        {nixpkgs.hostPlatform = system;}
      ];
    };

    # Which NixOS it is evaluated with; cheap to ask.
    lib.release = lib.trivial.release;

    # The evaluated configuration as plain data: what the tests hold the machine to.
    lib.contract = import ./tests/contract.nix appliance;

    packages.${system} = {
      inherit (images) iso raw;
      inherit vm;
      default = images.raw;
      xtask = pkgs.rustPlatform.buildRustPackage {
        pname = "xtask";
        version = "0.1.0";
        src = lib.fileset.toSource {
          root = ./.;
          fileset = lib.fileset.unions [
            ./Cargo.toml
            ./Cargo.lock
            ./xtask
          ];
        };
        cargoLock.lockFile = ./Cargo.lock;
        # Its own tests boot machines and run nix, neither of which a build can do.
        doCheck = false;
        nativeBuildInputs = [pkgs.makeWrapper];
        # What it makes machines with.
        postInstall = ''
          wrapProgram $out/bin/xtask \
            --prefix PATH : ${lib.makeBinPath [
            pkgs.coreutils
            pkgs.e2fsprogs
            pkgs.ntfs3g
            pkgs.openssh
            pkgs.qemu
          ]} \
            --set-default OLLAMALIVE_OVMF ${pkgs.OVMF.fd}/FV
        '';
      };
    };

    checks.${system} =
      {
        inherit toplevel;
        # Evaluates every option that the tests look at.
        contract = pkgs.writeText "contract.json" (builtins.toJSON self.lib.contract);
      }
      # One a scenario: the promises, on machines in Nix's sandbox.
      // import ./tests/scenarios.nix (import ./tests/check.nix {
        inherit pkgs;
        inherit (self.packages.${system}) xtask;
        inherit (self.checks.${system}) contract;
        image = images.raw;
      });

    formatter = forDevelopers (pkgs:
      # Without arguments: everything.
        pkgs.writeShellScriptBin "format" ''
          exec ${lib.getExe pkgs.alejandra} --quiet "''${@:-.}"
        '');

    devShells = forDevelopers (pkgs: {
      default = pkgs.mkShell {
        packages =
          [
            pkgs.cargo
            pkgs.clippy
            pkgs.rustc
            pkgs.rustfmt
            pkgs.openssh
            pkgs.qemu
          ]
          ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
            pkgs.e2fsprogs
            pkgs.genext2fs
            # The tests' stand-in for Ollama is linked statically.
            pkgs.glibc.static
            pkgs.ntfs3g
          ];
        OLLAMALIVE_OVMF = lib.optionalString pkgs.stdenv.hostPlatform.isLinux "${pkgs.OVMF.fd}/FV";
      };
    });
  };
}
