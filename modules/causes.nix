# Every cause for which Ollama does not serve, or not as well as it could: the most important first. What the machine says,
# the table "Troubleshooting" of docs/owner.md and the tests come from this list.
#
#   id         its name
#   state      what it means: "not serving", "degraded", or "serving" for something that is only worth knowing
#   says       one sentence; {name} stands for what is found. Without `toDo` it also says what to do.
#   toDo       what to do, in one sentence or two
#   more       what docs/owner.md has to add
#   journal    Ollama's unit has printed a line that matches, and Ollama does not answer. Names in the expression are names in
#              `says`. Where several lines match, the last one counts.
#   all        each line of that kind counts, beside others
#   notice     a unit has found the cause, and has written it to this file in /run/ollamalive/notices ...
#   words      ... in a line with these words, which is said as it is
#   own        the system's own fault: a new version that is not serving for this reason is undone (trial.nix)
#   simulated  why no test makes it happen: recorded facts stand in for it
#
# A cause with neither journal nor notice is found by health.jq.
let
  notServing = "not serving";
  degraded = "degraded";
  serving = "serving";

  registry = "it takes the registry that the image comes from";
  hardware = "it takes the hardware";
in [
  {
    id = "docker-down";
    state = notServing;
    own = true;
    says = "Docker does not run.";
    toDo = "Restart the PC; `journalctl -b -u docker` shows the reason.";
  }
  {
    id = "no-network-card";
    state = notServing;
    own = true;
    says = "No network card was found that this system knows.";
    toDo = "Plug in a USB network adapter, or another card.";
  }
  {
    id = "no-wifi-card";
    state = notServing;
    own = true;
    says = "No network cable is plugged in, and for the Wi-Fi {wifi} the PC has no card that this system knows.";
    toDo = "Plug in a cable, or a USB Wi-Fi adapter.";
  }
  {
    id = "wifi-not-connected";
    state = notServing;
    says = "The Wi-Fi {wifi} is not connected, and no network cable is plugged in.";
    toDo = "Compare ssid= and psk= in its file with the router's (`nmcli device wifi list` shows the networks in range), or move the PC closer to it.";
    simulated = hardware;
  }
  {
    id = "no-cable";
    state = notServing;
    says = "No network cable is plugged in, and no Wi-Fi is connected.";
    toDo = "Plug in the cable at both ends, or put your Wi-Fi settings on the stick.";
  }
  {
    id = "no-address";
    state = notServing;
    says = "The network gives this PC no address.";
    toDo = "Switch the router on, and check that its DHCP server is on.";
  }
  {
    id = "drive-twice";
    state = notServing;
    says = "Several drives are called {drive}: {paths}. None of them is used.";
    toDo = "Unplug all but one, or set ollamalive.models.drive to the UUID of the right one.";
  }
  {
    id = "drive-bitlocker";
    state = notServing;
    says = "The models drive {drive} is not found, and {paths} is encrypted with BitLocker, which hides its name.";
    toDo = "If that is the models drive, switch BitLocker off for it in Windows; otherwise plug the models drive in.";
  }
  {
    id = "drive-refs";
    state = notServing;
    says = "The models drive {drive} is not found, and {paths} has the file system ReFS, which Linux cannot read.";
    toDo = "If that is the models drive, format it as NTFS; otherwise plug the models drive in.";
  }
  {
    id = "drive-missing";
    state = notServing;
    says = "The models drive {drive} is not found. {others}";
    toDo = "Plug it in, give your drive that name in Windows Explorer (capitals count), or correct ollamalive.models.drive.";
  }
  {
    id = "drive-file-system";
    state = notServing;
    says = "The models drive {drive} has the file system {fileSystem}, not NTFS.";
    toDo = "Copy what is on it, format it as NTFS in Windows, and copy it back.";
  }
  {
    id = "drive-damaged";
    state = notServing;
    says = "The file system of the models drive {drive} is damaged.";
    toDo = "Check it in Windows: `chkdsk D: /f`, with the drive's letter.";
  }
  {
    id = "models-folder";
    state = notServing;
    notice = "models";
    words = "Ollama cannot start yet";
    says = "Ollama cannot start yet: {why}.";
    more = "The folder for models cannot be made: the message ends with the reason and what to do";
    simulated = "the promise boot.no-drives sees its notice";
  }
  {
    id = "port-taken";
    state = notServing;
    own = true;
    says = "Port {port} is in use by {program}.";
    toDo = "Stop that program (`sudo systemctl stop NAME` ends a service), or set another ollamalive.ollama.port.";
  }
  {
    id = "persist-no-room";
    state = notServing;
    notice = "image";
    words = "it needs at least|no space left";
    says = "Ollama cannot start yet: its image {image} is not downloaded: it needs at least {size} more on PERSIST.";
    more = "Delete something under /persist (unused images: `docker image prune --all`), or use a larger stick. Nothing is downloaded until more is free";
    simulated = "the promise ollama.makes-room-for-its-image sees its notice";
  }
  {
    id = "clock-certificate";
    state = notServing;
    journal = "x509: certificate has expired or is not yet valid";
    says = "The certificate of Ollama's registry is not valid on {date}, the date of this PC.";
    toDo = "Set date and time in the PC's firmware.";
    simulated = registry;
  }
  {
    id = "registry-too-many";
    state = notServing;
    journal = "toomanyrequests|429 Too Many Requests";
    says = "The registry refuses more downloads for now.";
    toDo = "It is asked again every quarter of an hour: wait, or put an archive of the image into /persist/images.";
  }
  {
    id = "image-unknown";
    state = notServing;
    own = true;
    journal = "manifest unknown|manifest for .* not found|repository does not exist|pull access denied|failed to resolve reference .*: not found";
    says = "The registry does not know the image {remote}.";
    toDo = "Correct ollamalive.ollama.image.";
  }
  {
    id = "registry-name";
    state = notServing;
    journal = "lookup (?<host>[^ ]+).*(no such host|server misbehaving|i/o timeout|Temporary failure)";
    says = "Ollama's image cannot be downloaded: the name {host} is not found.";
    toDo = "Check the internet connection and the router's name server, or put an archive of the image into /persist/images.";
  }
  {
    id = "registry-unreachable";
    state = notServing;
    journal = "dial tcp|TLS handshake timeout|Client\\.Timeout exceeded|connection reset by peer|context deadline exceeded|received unexpected HTTP status: 5";
    says = "Ollama's image cannot be downloaded: the registry does not answer.";
    toDo = "Check the internet connection, or put an archive of the image into /persist/images.";
  }
  {
    id = "image-architecture";
    state = notServing;
    journal = "exec format error|no matching manifest for linux";
    says = "Ollama's image is for another kind of processor.";
    toDo = "Make the archive again: `docker pull --platform linux/amd64`, then `docker save`.";
  }
  {
    id = "image-damaged";
    state = notServing;
    journal = "(stat|exec) [^ ]*/ollama: no such file or directory|executable file not found|layer does not exist|failed to register layer|file integrity checksum failed|missing content";
    says = "Ollama's image on PERSIST is damaged.";
    toDo = "It is removed and fetched again, once. If that does not help, the stick is worn out: replace it.";
  }
  {
    id = "archive-unreadable";
    state = notServing;
    all = true;
    journal = "(?<file>/persist/images/.*) is not an image archive";
    says = "{file} is not an image archive that Docker can read, or is not called NAME.tar.";
    toDo = "Copy it again, or make it again with `docker save -o ollama.tar`, and do not compress it.";
  }
  {
    id = "archive-other";
    state = notServing;
    all = true;
    journal = "(?<file>/persist/images/.*) does not hold [^ ]* \\((Loaded image( ID)?: )?(?<holds>.*)\\)";
    says = "{file} holds {holds}, not {image}.";
    toDo = "Make it with `docker save` and that name and tag, or correct ollamalive.ollama.image.";
  }
  {
    id = "image-not-downloaded";
    state = notServing;
    notice = "image";
    words = "is not downloaded";
    says = "Ollama cannot start yet: its image {image} is not downloaded: {why}.";
    more = "The message ends with what to do; `journalctl -b -u docker-ollama` shows each try";
    simulated = registry;
  }
  {
    id = "gpu-cdi";
    state = notServing;
    own = true;
    journal = "unresolvable CDI devices|could not select device driver|failed to inject CDI";
    says = "Docker does not know the GPU that the container asks for.";
    toDo = "Restart the PC; `journalctl -b -u nvidia-container-toolkit-cdi-generator` shows the reason.";
    simulated = "the machine always has a device of that name";
  }
  {
    id = "restarts";
    state = notServing;
    own = true;
    says = "Ollama's container ends again and again (status {status}): {line}";
    toDo = "`journalctl -b -u docker-ollama` shows more.";
  }
  {
    id = "unanswered";
    state = notServing;
    own = true;
    says = "Ollama's container runs but does not answer.";
    toDo = "Restart it: `sudo systemctl restart docker-ollama`.";
  }
  {
    id = "start-slow";
    state = notServing;
    own = true;
    says = "Ollama's start takes unusually long: a drive or Docker answers slowly, or not at all.";
    toDo = "Look for errors of a drive with `journalctl -b -k`, and restart the PC.";
    simulated = "it takes a drive that fails";
  }
  {
    id = "stopped";
    state = notServing;
    own = true;
    says = "Ollama was stopped.";
    toDo = "Start it: `sudo systemctl start docker-ollama`.";
  }
  {
    id = "persist-in-memory";
    state = degraded;
    notice = "persist";
    words = "PERSIST cannot be used";
    says = "PERSIST cannot be used: {why}. Everything works, but NOTHING IS KEPT after a reboot.";
    more = "Nothing was formatted. `systemctl status persist` shows the reason and a possible remedy";
    simulated = "the promises about a damaged PERSIST see its notice";
  }
  {
    id = "persist-read-only";
    state = degraded;
    says = "PERSIST has become read-only, because the stick has errors: nothing new is kept.";
    toDo = "Restart the PC, which checks PERSIST; if it happens again, copy what you need and replace the stick.";
    simulated = "it takes a stick that fails";
  }
  {
    id = "persist-full";
    state = degraded;
    says = "PERSIST is full: new data may be lost.";
    toDo = "Delete something under /persist: old images with `docker image prune --all`, the journal, models.";
  }
  {
    id = "drive-hibernated";
    state = degraded;
    says = "The models drive {drive} is read-only, because Windows hibernated or Fast Startup is on: no model can be downloaded.";
    toDo = "Switch off Fast Startup in Windows, then shut Windows down; do not hibernate.";
  }
  {
    id = "drive-read-only";
    state = degraded;
    says = "The models drive {drive} is read-only: no model can be downloaded.";
    toDo = "Look for a write-protect switch on the drive, and check it in Windows: `chkdsk D: /f`, with the drive's letter.";
  }
  {
    id = "no-name-server";
    state = degraded;
    says = "The network gives no name server: nothing can be downloaded.";
    toDo = "Enter one in the router's DHCP settings.";
  }
  {
    id = "clock-wrong";
    state = degraded;
    says = "The PC's clock is wrong: it says {hardwareDate}.";
    toDo = "Set date and time in the firmware; if they are lost again, the battery on the mainboard is empty.";
  }
  {
    id = "gpu-gone";
    state = degraded;
    says = "Ollama's container has lost the GPU.";
    toDo = "Restart it: `sudo systemctl restart docker-ollama`.";
  }
  {
    id = "gpu-on-cpu";
    state = degraded;
    notice = "gpu";
    words = "computes on the CPU although";
    says = "Ollama computes on the CPU although the PC has an NVIDIA {why}.";
    more = "Ollama was restarted once and still found no GPU: restart the PC. `journalctl -b -u docker-ollama` shows what Ollama found";
    simulated = "the promise gpu.cpu-reported sees its notice";
  }
  {
    id = "gpu-too-old-for-ollama";
    state = degraded;
    notice = "gpu";
    words = "is too old for Ollama";
    says = "The NVIDIA {name} is too old for Ollama.";
    more = "No driver that Ollama can use knows the card: Ollama stays on the CPU";
    simulated = hardware;
  }
  {
    id = "gpu-other-driver";
    state = degraded;
    notice = "gpu";
    words = "(is too old for|does not work with) (driver|the NVIDIA driver)";
    says = "The NVIDIA {name} is too old for driver {driver}.";
    more = "The message says which driver to set in [`ollamalive.gpu.driver`](options.md#ollamalivegpudriver); build the image again and flash it. For a card that is too new for `\"closed\"`, it says \"does not work with driver …\"";
    simulated = hardware;
  }
  {
    id = "gpu-too-new";
    state = degraded;
    notice = "gpu";
    words = "is too new for";
    says = "The NVIDIA {name} is too new for driver {driver}.";
    more = "Update OllamaLive";
    simulated = hardware;
  }
  {
    id = "gpu-lost";
    state = degraded;
    notice = "gpu";
    words = "does not answer\\. Switch the PC off";
    says = "The NVIDIA {name} does not answer.";
    more = "Switch the PC off, and on again; look at the card's power cables if that happens again";
    simulated = hardware;
  }
  {
    id = "gpu-unusable";
    state = degraded;
    notice = "gpu";
    words = "is not usable with";
    says = "The NVIDIA {name} is not usable with driver {driver}.";
    more = "`journalctl -b -u nvidia-container-toolkit-cdi-generator` shows the reason, or `journalctl -b -k -g NVRM` does. If the driver is only late, Ollama gets the GPU once it is loaded";
    simulated = hardware;
  }
  {
    id = "gpu-none";
    state = degraded;
    notice = "gpu";
    words = "No NVIDIA GPU found";
    says = "No NVIDIA GPU found. Ollama runs on the CPU.";
    more = "The PC has none, or it is disabled in the firmware";
  }
  {
    id = "archive-no-room";
    state = degraded;
    notice = "archive";
    words = "is skipped: it needs";
    says = "{file} is skipped: it needs at least {size} more on PERSIST, and {free} are free.";
    more = "To load an archive, Docker needs twice its size on PERSIST: make room, or let the PC download the image";
    simulated = "the test's image is small";
  }
  {
    id = "pull-no-room";
    state = degraded;
    notice = "pull";
    words = "is not downloaded: it needs";
    says = "{model} is not downloaded: it needs {size}.";
    more = "The model does not fit on the drive: delete others with `docker exec ollama ollama rm NAME`, or remove it from `ollamalive.ollama.pull`";
    simulated = "the promises about downloads see its notice";
  }
  {
    id = "pull-failed";
    state = degraded;
    notice = "pull";
    words = "(is not downloaded|is not loaded|is damaged|No model is downloaded)";
    says = "{model} is not downloaded: {why}.";
    more = "The message ends with what to do; `journalctl -u ollama-pull` shows each try. The same for \"… is not loaded\" and \"… is damaged\"";
    simulated = "the promises about downloads see its notice";
  }
  {
    id = "models-twice";
    state = degraded;
    notice = "folder";
    words = ".";
    says = "There are models in {folder} and in {others}, and only the first are served.";
    more = "Move them into one folder in Windows, or set [`ollamalive.models.folder`](options.md#ollamalivemodelsfolder)";
    simulated = "the promise ollama.finds-models sees its notice";
  }
  {
    id = "little-space";
    state = degraded;
    notice = "space";
    words = "are free for models";
    says = "Only {free} MiB are free for models in {folder}.";
    more = "Remove some: `docker exec ollama ollama rm NAME`";
  }
  {
    id = "image-loading";
    state = serving;
    says = "Ollama's image is being loaded from an archive.";
    toDo = "Wait: this takes minutes, once.";
    simulated = "the test's image is loaded at once";
  }
  {
    id = "image-downloading";
    state = serving;
    notice = "image";
    words = "starts once its image";
    says = "Ollama starts once its image {image} is downloaded.";
    more = "Wait: it is several GB, and is downloaded only once";
    simulated = registry;
  }
  {
    id = "pull-progress";
    state = serving;
    notice = "pull";
    words = "is being downloaded";
    says = "{model} is being downloaded: {percent} %.";
    more = "Wait";
    simulated = "the promises about downloads see its notice";
  }
  {
    id = "update-undone";
    state = serving;
    notice = "update";
    words = "was undone";
    says = "The update to version {version} was undone: {why}. Newer versions are still accepted.";
    more = "The previous version is running again. `sudo journalctl --list-boots` lists the boots, and `sudo journalctl -b -1` shows the previous one";
    simulated = "the promises about updates see its notice";
  }
  {
    id = "stick-files";
    state = serving;
    notice = "files";
    words = ".";
    says = "{file} on the stick: {why}.";
    more = "A file that you put on the stick was not taken, or will perhaps not be used. The message says what to do, and `ollamalive/REPORT.txt` on the stick names every file";
    simulated = "the promise stick.reports-files sees its notice";
  }
  {
    id = "stick-report";
    state = serving;
    notice = "report";
    words = ".";
    says = "The report on the stick, ollamalive/REPORT.txt, is not up to date: {why}.";
    more = "Nothing else depends on the report";
    simulated = "the promise stick.reports-files sees its notice";
  }
]
