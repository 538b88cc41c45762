# Invalid values fail when the configuration is evaluated, each with one line: what is wrong, what to write. Where the
# message of an option's type is clear enough, the type does the check.
{
  config,
  extendModules,
  lib,
  ...
}: let
  cfg = config.ollamalive;
  inherit (cfg.models) drive;
  problemOfDrive = import ./drive.nix {inherit lib;};
  problemOfFolder = import ./folder.nix {inherit lib;};
  problemOfNetwork = import ./networks.nix {inherit lib;};
  drivers = ["open" "closed"] ++ cfg.gpu.legacy;
  found = problem: lib.optional (problem != null) problem;

  wellFormed = builtins.match "[a-z_][a-z0-9_-]{0,30}" cfg.user != null;

  # The same system with an owner's name that nothing else has: shows all other accounts and groups.
  neutral = "ollamalive";
  others = (extendModules {modules = [{ollamalive.user = lib.mkOverride 0 neutral;}];}).config.users;
  # An owner may extend the account with users.users.alice, or give it a group of its own. Neither counts as the system's.
  account = others.users.${cfg.user} or null;
  group = others.groups.${cfg.user} or null;
  taken =
    cfg.user
    != neutral
    && (
      (account != null && (account.isSystemUser || cfg.user == "root"))
      || (group != null && group.gid != null && group.gid < 1000)
    );
in {
  options.ollamalive.problems = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    readOnly = true;
    internal = true;
    description = "Problems with the values of the other options.";
    default =
      map (problem: "ollamalive.models.drive is ${builtins.toJSON drive}, which ${problem}")
      (lib.optionals (drive != null) (found (problemOfDrive drive)))
      ++ map (problem: "ollamalive.models.folder is ${builtins.toJSON cfg.models.folder}, which ${problem}")
      (lib.optionals (cfg.models.folder != null) (found (problemOfFolder cfg.models.folder)))
      ++ lib.optional (cfg.models.folder != null && drive == null)
      "ollamalive.models.folder is a folder on the models drive, and ollamalive.models.drive is null. Write the drive's name, such as \"LABEL=Models\", or leave the folder out."
      ++ map (problem: "ollamalive.ollama.allowedNetworks: ${problem}")
      (lib.concatMap (network: found (problemOfNetwork network)) cfg.ollama.allowedNetworks)
      ++ map (problem: ''ollamalive.ollama.image is "${cfg.ollama.image}", which ${problem}.'')
      (found cfg.ollama.reference.problem)
      # The container has no capabilities, so it cannot open a privileged port.
      ++ lib.optional (cfg.ollama.port < 1024 && !builtins.elem cfg.ollama.port config.services.openssh.ports)
      "ollamalive.ollama.port is ${toString cfg.ollama.port}. Write a port from 1024 to 65535, such as 11434."
      ++ lib.optional (!builtins.elem cfg.gpu.driver drivers)
      ''ollamalive.gpu.driver is ${builtins.toJSON cfg.gpu.driver}, which is not a driver that Ollama can use. Write ${lib.concatMapStringsSep " or " builtins.toJSON drivers}.''
      ++ lib.optional (cfg.ssh.port == 0)
      "ollamalive.ssh.port is 0. Write a port from 1 to 65535, such as 22."
      ++ lib.optional (builtins.elem cfg.ollama.port config.services.openssh.ports)
      "ollamalive.ollama.port is ${toString cfg.ollama.port}, where SSH listens. Write another port, such as 11434."
      ++ lib.optional (!wellFormed)
      ''ollamalive.user is "${cfg.user}". The name of an account has small letters, digits, "-" and "_", begins with a letter, and has at most 31 characters. Write "alice", for example.''
      ++ lib.optional (wellFormed && taken)
      ''ollamalive.user is "${cfg.user}", a name that the system itself uses. Write another name, such as "alice".''
      # Ollama stores a model in a folder that has the name of its registry.
      ++ map (model: ''ollamalive.ollama.pull: ${builtins.toJSON model} names a registry with a port, but a folder on NTFS cannot have ":" in its name. Let the registry listen on port 443, or on 80 without TLS, and leave the port out.'')
      (lib.filter (model: drive != null && builtins.match "(https?://)?[^/:]+:[0-9]+/.*" model != null) cfg.ollama.pull)
      ++ import ./ollama-problems.nix {inherit lib;} cfg.ollama
      ++ import ./update-problems.nix {inherit lib;} cfg.update;
  };

  config = {
    assertions =
      map (message: {
        assertion = false;
        inherit message;
      })
      cfg.problems;
  };
}
