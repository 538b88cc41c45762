# The owner's settings. modules/ implements them.
{
  networking.hostName = "OllamaLive";
  # A name from the list of time zones, such as "America/New_York".
  time.timeZone = "Europe/Berlin";
  # The layout of the PC's keyboard: "us", "uk", "fr", "es", …
  console.keyMap = "de";
  i18n.defaultLocale = "en_US.UTF-8";

  ollamalive = {
    user = "ollamalive";

    # The NTFS drive shared with Windows: what Explorer shows as "Models (D:)". No drive: null, without quotes.
    models.drive = "LABEL=Models";

    ollama = {
      port = 11434;
      # Ollama has no authentication: list the networks that may reach it. An empty list allows all.
      allowedNetworks = [];
    };
  };

  # Not the version of NixOS. Leave it as it is.
  system.stateVersion = "25.05";
}
