# This owner's choices. How they are carried out is in modules/.
{
  networking.hostName = "OllamaLive";
  time.timeZone = "Europe/Berlin";
  console.keyMap = "de";
  i18n.defaultLocale = "en_US.UTF-8";

  ollamalive = {
    user = "ollamalive";

    # The NTFS drive shared with Windows, by its name in the Explorer.
    models.drive = "LABEL=Models";

    ollama = {
      port = 11434;
      image = "ollama/ollama:0.12.6";
      # Ollama asks for no password: name the networks that may reach it, or leave this empty for all.
      allowedNetworks = [];
    };
  };

  system.stateVersion = "25.05";
}
