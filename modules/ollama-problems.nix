# Problems with the settings of Ollama, as sentences. Without these checks, Ollama replaces a time or a number that it
# cannot parse by its default, and exits at once on an origin that it cannot parse.
{lib}: cfg: let
  quoted = builtins.toJSON;
  problemOfModel = import ./model-name.nix {inherit lib;};

  # The options that set a variable, as an owner writes them.
  optionOf =
    lib.mapAttrs' (option: name: lib.nameValuePair name "ollamalive.ollama.${option}") (import ./ollama-variables.nix)
    // {
      OLLAMA_HOST = "ollamalive.ollama.port";
      OLLAMA_MODELS = "ollamalive.models.drive";
      HOME = "ollamalive.models.drive";
    };

  # As Go's time.ParseDuration, or a whole number of seconds.
  isTime = text: builtins.match "-?([0-9]{1,9}|([0-9]{1,6}(\\.[0-9]{1,3})?(ms|s|m|h))+)" text != null;

  # What gin-contrib/cors accepts.
  isOrigin = text: let
    parts = lib.splitString "*" text;
  in
    builtins.match "[^[:space:],\"']+" text
    != null
    && (
      if lib.length parts == 1
      then builtins.match "(https?|(chrome|safari|moz|ms-browser)-extension)://[^/]+" text != null
      else lib.length parts == 2
    );

  ofVariable = name: value:
    if builtins.match "[A-Za-z_][A-Za-z0-9_]*" name == null
    then "${quoted name} is not the name of a variable. Write it as Ollama's documentation does, such as OLLAMA_LOAD_TIMEOUT."
    else if optionOf ? ${name}
    then "it sets ${name}. Write ${optionOf.${name}} instead."
    else if lib.hasPrefix "OLLAMALIVE_" name || name == "OLLAMA_NOPRUNE"
    then "it sets ${name}, which the appliance sets. Leave it out."
    else if lib.hasInfix "\n" value
    then "the value of ${name} has a line break. Write it on one line."
    else null;

  ofModel = name: let
    problem = problemOfModel name;
  in
    if problem != null
    then problem
    else if cfg.noCloud && builtins.match ".*:(.+-)?cloud" name != null
    then "${quoted name} runs at ollama.com and not on this PC. Write another model, or ollamalive.ollama.noCloud = false;"
    else null;

  of = option: problems: map (problem: "ollamalive.ollama.${option}: ${problem}") (lib.filter (one: one != null) problems);
in
  lib.optional (cfg.keepAlive != null && !isTime cfg.keepAlive)
  ''ollamalive.ollama.keepAlive is ${quoted cfg.keepAlive}. Write a number with its unit, such as "5m" or "24h"; "-1" for ever, "0" not at all.''
  ++ lib.optional (lib.elem cfg.kvCacheType ["q8_0" "q4_0"] && cfg.flashAttention != true)
  ''ollamalive.ollama.kvCacheType is ${quoted cfg.kvCacheType}, which needs flash attention. Write ollamalive.ollama.flashAttention = true; too.''
  ++ of "origins" (
    map (
      origin:
        if isOrigin origin
        then null
        else ''${quoted origin} is not an origin. Write it with http:// or https:// and without a path, such as "https://chat.example.com", and with one "*" at most.''
    )
    cfg.origins
  )
  ++ of "environment" (lib.mapAttrsToList ofVariable cfg.environment)
  ++ of "pull" (map ofModel cfg.pull)
  ++ of "keepLoaded" (lib.optional (cfg.keepLoaded != null) (ofModel cfg.keepLoaded))
