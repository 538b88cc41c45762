{
  description = "OllamaLive: a USB stick that turns a gaming PC into an Ollama server";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = {
    self,
    nixpkgs,
  }: let
    inherit (nixpkgs) lib;

    # The appliance runs on PCs. Developers may work on other systems.
    system = "x86_64-linux";
    pkgs = nixpkgs.legacyPackages.${system};
    forDevelopers = f:
      lib.genAttrs [system "aarch64-linux" "aarch64-darwin"] (
        name: f nixpkgs.legacyPackages.${name}
      );

    # The source files with one of these extensions, as a directory in the store.
    filesWith = extensions:
      lib.fileset.toSource {
        root = ./.;
        fileset = lib.fileset.fileFilter (file: lib.any file.hasExt extensions) ./.;
      };

    appliance = self.nixosConfigurations.OllamaLive;
    inherit (appliance.config.system.build) images toplevel vm;
  in {
    nixosModules.default = ./modules;

    nixosConfigurations.OllamaLive = lib.nixosSystem {
      modules = [
        self.nixosModules.default
        ./configuration.nix
        {
          nixpkgs.hostPlatform = system;
          ollamalive.image.version = lib.mkDefault (self.lastModifiedDate or "19700101000000");
        }
      ];
    };

    # The NixOS release used for evaluation. Cheap to evaluate, so xtask uses it to test whether nixpkgs is reachable.
    lib.release = lib.trivial.release;

    # The evaluated configuration as plain data. The tests compare the running machine with it.
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
            ./crates
            ./xtask
          ];
        };
        cargoLock.lockFile = ./Cargo.lock;
        # The tests boot machines and run Nix, neither of which works in a build.
        doCheck = false;
        nativeBuildInputs = [pkgs.makeWrapper];
        # The programs that create disks and boot machines.
        postInstall = ''
          wrapProgram $out/bin/xtask \
            --prefix PATH : ${lib.makeBinPath [
            pkgs.coreutils
            pkgs.e2fsprogs
            pkgs.gnupg
            pkgs.ntfs3g
            pkgs.openssh
            pkgs.qemu
            pkgs.util-linux
          ]} \
            --set-default OLLAMALIVE_OVMF ${pkgs.OVMF.fd}/FV \
            --set-default TZDIR ${pkgs.tzdata}/share/zoneinfo
        '';
        meta = {
          description = "Builds, boots and tests the OllamaLive appliance";
          license = lib.licenses.mit;
          mainProgram = "xtask";
        };
      };
    };

    checks.${system} =
      {
        inherit toplevel;
        # Evaluates every option that the tests read.
        contract = pkgs.writeText "contract.json" (builtins.toJSON self.lib.contract);

        # `nix fmt` fixes what this check reports.
        format = pkgs.runCommand "check-format" {nativeBuildInputs = [pkgs.alejandra];} ''
          alejandra --check ${filesWith ["nix"]}
          touch $out
        '';
        unused = pkgs.runCommand "check-unused" {nativeBuildInputs = [pkgs.deadnix];} ''
          deadnix --fail ${filesWith ["nix"]}
          touch $out
        '';
        scripts = pkgs.runCommand "check-scripts" {nativeBuildInputs = [pkgs.shellcheck];} ''
          find ${filesWith ["sh"]} -type f -exec shellcheck {} +
          touch $out
        '';
      }
      # One check per scenario: its promises, on machines in Nix's sandbox.
      // import ./tests/scenarios.nix (import ./tests/check.nix {
        inherit pkgs;
        inherit (self.packages.${system}) xtask;
        inherit (self.checks.${system}) contract;
        image = images.raw;
      });

    formatter = forDevelopers (pkgs:
      # Formats every file when called without arguments.
        pkgs.writeShellScriptBin "format" ''
          exec ${lib.getExe pkgs.alejandra} --quiet "''${@:-.}"
        '');

    devShells = forDevelopers (pkgs: {
      default = pkgs.mkShell {
        packages =
          [
            pkgs.actionlint
            pkgs.alejandra
            pkgs.cargo
            pkgs.cargo-deny
            pkgs.clippy
            pkgs.deadnix
            pkgs.gnupg
            pkgs.rustc
            pkgs.rustfmt
            pkgs.openssh
            pkgs.qemu
            pkgs.shellcheck
            pkgs.zizmor
          ]
          ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
            pkgs.e2fsprogs
            pkgs.genext2fs
            # The test server that stands in for Ollama is linked statically.
            pkgs.glibc.static
            pkgs.ntfs3g
          ];
        OLLAMALIVE_OVMF = lib.optionalString pkgs.stdenv.hostPlatform.isLinux "${pkgs.OVMF.fd}/FV";
      };
    });
  };
}
