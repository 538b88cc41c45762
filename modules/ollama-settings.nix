# Settings of the Ollama server. They are passed to the container as environment variables. What the owner does not set is
# not passed, so Ollama's own default applies.
{
  config,
  lib,
  ...
}: let
  cfg = config.ollamalive.ollama;
  inherit (lib) mkOption types;

  setting = type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description example;
    };

  variable = value:
    if value == null || value == []
    then null
    else if lib.isBool value
    then
      (
        if value
        then "1"
        else "0"
      )
    else if lib.isList value
    then lib.concatStringsSep "," value
    else toString value;
in {
  options.ollamalive.ollama = {
    keepAlive = setting (types.coercedTo types.int toString types.str) "24h" ''
      How long a model stays loaded after its last request, such as `"30m"` or `"24h"`; `"-1"` for ever, `"0"` not at all.
      Requests that set their own time override it. With `null`, Ollama's default: 5 minutes.
    '';

    contextLength = setting types.ints.positive 32768 ''
      The context length in tokens, for requests that do not set their own. A longer one takes more of the GPU's memory.
      With `null`, Ollama's default: 4,096 tokens with less than 24 GB of GPU memory, 32,768 from 24 GB, and 262,144 from
      48 GB.
    '';

    flashAttention = setting types.bool true ''
      Flash attention, which takes less memory for long contexts. With `null`, Ollama's default: on where the GPU and the
      model support it.
    '';

    kvCacheType = setting (types.enum ["f16" "q8_0" "q4_0"]) "q8_0" ''
      How the context is stored: `"f16"` is exact, `"q8_0"` takes half the memory and `"q4_0"` a quarter. The last two need
      `flashAttention = true`. With `null`, Ollama's default: `"f16"`.
    '';

    numParallel = setting types.ints.positive 4 ''
      How many requests a model answers at the same time. Each takes memory for a context of its own. With `null`, Ollama's
      default: 1.
    '';

    maxLoadedModels = setting types.ints.positive 1 ''
      How many models are loaded at the same time, if they fit. With `null`, Ollama's default: 3 for each GPU, or 3 without
      one.
    '';

    maxQueue = setting (types.ints.between 1 100000) 64 ''
      How many requests wait when the server is busy; more are refused with status 503. With `null`, Ollama's default: 512.
    '';

    origins = mkOption {
      type = types.listOf types.str;
      default = [];
      example = ["https://chat.example.com" "chrome-extension://*"];
      description = ''
        Websites whose scripts may talk to Ollama from a visitor's browser. Write scheme, name and, if there is one, port,
        without a path or a slash at the end: `"http://192.168.1.20:8080"`. Browser extensions have `chrome-extension://` or
        `moz-extension://`. One `*` may stand for any text. Pages on the PC itself are always allowed; with an empty list,
        only those. Programs such as Open WebUI, which talk to Ollama from a server, do not need this.
      '';
    };

    noCloud = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Turns off Ollama's cloud: the server does not ask ollama.com for recommendations every few minutes, and passes no
        prompts on to models that run there. Ollama's default is `false`.
      '';
    };

    environment = mkOption {
      type = types.attrsOf types.str;
      default = {};
      example = {OLLAMA_LOAD_TIMEOUT = "10m";};
      description = ''
        More variables for Ollama's environment. A variable that another option sets is refused.
      '';
    };

    settings = mkOption {
      type = types.attrsOf (types.nullOr types.str);
      readOnly = true;
      internal = true;
      default =
        cfg.environment
        // lib.mapAttrs' (option: name: lib.nameValuePair name (variable cfg.${option})) (import ./ollama-variables.nix);
      description = "The variables that the options above stand for; null where Ollama's default is meant.";
    };
  };

  config.virtualisation.oci-containers.containers.ollama.environment = lib.filterAttrs (_: value: value != null) cfg.settings;
}
