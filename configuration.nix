# The owner's settings. modules/ implements them.
{
  networking.hostName = "OllamaLive";
  time.timeZone = "Europe/Berlin";
  console.keyMap = "de";
  i18n.defaultLocale = "en_US.UTF-8";

  ollamalive = {
    user = "ollamalive";

    # The NTFS drive shared with Windows, by the name that Explorer shows.
    models.drive = "LABEL=Models";

    ollama = {
      port = 11434;
      image = "ollama/ollama:0.12.6";
      # Ollama has no authentication: list the networks that may reach it. An empty list allows all.
      allowedNetworks = [];
    };
  };

  system.stateVersion = "25.05";
}
