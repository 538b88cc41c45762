# Generated from the list of scenarios: cargo xtask codegen
check: {
  # boot.reaches-target
  vm-boot = check "boot";
  # system.identity
  # system.leaves-the-clock
  # system.leaves-the-disks
  # network.only-its-name-server
  vm-system = check "system";
  # ssh.key-accepted
  # ssh.modern-crypto
  # ssh.forwards-only-tcp
  # ssh.unknown-key-refused
  # ssh.password-refused
  # ssh.keyboard-interactive-refused
  # ssh.empty-password-refused
  # ssh.root-refused
  # ssh.strict-modes
  vm-ssh = check "ssh";
  # persist.mounted
  # persist.bind-mounts
  vm-persist = check "persist";
  # docker.state-on-persist
  # docker.prunes-weekly
  vm-docker = check "docker";
  # ollama.answers
  # ollama.models-on-drive
  # ollama.finds-models
  # ollama.models-on-persist
  # ollama.warns-of-space
  # ollama.without-gpu
  # ollama.contained
  # ollama.has-its-settings
  # ollama.pulls-at-start
  vm-ollama = check "ollama";
  # gpu.late-driver
  # gpu.survives-daemon-reload
  # gpu.cpu-reported
  # gpu.empty-list
  vm-gpu = check "gpu";
  # firewall.only-open-ports
  # firewall.only-allowed-networks
  # firewall.published-ports-contained
  # ollama.keeps-to-itself
  vm-firewall = check "firewall";
  # persist.created-on-first-boot
  # ssh.key-from-esp
  # network.from-esp
  # stick.reports-files
  # ssh.identity-survives
  # system.time-from-network
  # boot.comes-back-quietly
  # persist.survives-power-cut
  # persist.survives-reflash
  # persist.survives-emptied-ends
  # persist.repairs-rights
  # persist.forgets-the-rest
  vm-stick = check "stick";
  # boot.broken-persist
  vm-broken-persist = check "broken-persist";
  # boot.no-drives
  vm-no-drives = check "no-drives";
  # docker.resolves-late
  # persist.of-the-booted-stick
  vm-two-sticks = check "two-sticks";
  # update.moves-from-layout-1
  vm-layout-1 = check "layout-1";
  # update.refuses
  # update.falls-back
  # update.from-network
  # update.keeps-persist
  vm-update = check "update";
  # boot.store-damaged
  # update.undoes-crashes
  vm-update-faults = check "update-faults";
  # update.by-push
  # update.twice
  vm-update-push = check "update-push";
  # update.survives-power-cut
  vm-update-power-cuts = check "update-power-cuts";
  # ollama.openai-api
  # ollama.many
  # ollama.survives-oom
  # ollama.pulls
  # ollama.survives-full-drive
  # ollama.keeps-partial-downloads
  # ollama.generates
  # ollama.stops-clean
  # ollama.identity-on-persist
  vm-real-ollama = check "real-ollama";
  # health.told
  # health.network
  # health.drive
  # health.container
  # health.persist
  # health.gpu
  vm-health = check "health";
  # health.cable
  # health.drives
  # health.image
  # health.registry
  # health.stopped
  vm-causes = check "causes";
  # fault.container-killed
  # fault.persist-fills-up
  # ollama.makes-room-for-its-image
  # fault.drive-errors
  # fault.drive-pulled
  vm-faults = check "faults";
  # fault.no-network
  # fault.dhcp-late
  # fault.clock-at-1970
  # fault.archive-corrupt
  # fault.image-swapped
  # health.clock
  vm-bad-day = check "bad-day";
}
