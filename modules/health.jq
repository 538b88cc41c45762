# Decides whether Ollama serves, and names the causes if not: from recorded facts alone, so that tests run it over facts of
# other machines. The input has `config` and `causes` (causes.nix); the facts are texts by name, gathered by health.sh.
# Prints { state, address, causes: [{ id, state, says }] }.

def fact($name): $ARGS.named[$name] // "";
def rows: split("\n") | map(select(. != ""));
def fields: [rows[] | capture("^(?<key>[^=]*)=(?<value>.*)$")] | from_entries;
def number: tonumber? // 0;
def json: try fromjson catch null;
def one($id): { id: $id, with: {} };
def one($id; $with): { id: $id, with: $with };
# Nothing where there is none; jq's own `last` differs between its versions.
def latest(stream): [stream] | if length > 0 then .[-1] else empty end;
# Where a line last matched.
def lastAt($expression): [range(length) as $at | select(.[$at] | test($expression)) | $at][-1];
# What a program has printed, for a sentence.
def quoted: gsub("[[:cntrl:]]+"; " ") | .[:400] | sub("[. ]*$"; ".");

. as { $config, $causes }
| (fact("unit") | fields) as $unit
| (fact("clock") | fields | with_entries({ key, value: (.value | number) })) as $clock
| (fact("answer") | json | type == "object" and (.version | type == "string")) as $answers
| ($unit.SubState // "") as $sub
# Seconds since the unit was last started.
| (($clock.uptime // 0) - (($unit.ConditionTimestampMonotonic // "0" | number) / 1000000)) as $age
# Of an attempt that goes on for a while, only its own lines count; a younger one may not have come to the reason yet.
| ($age > 20 and ($sub == "running" or $sub == "start-pre")) as $goesOn
| ((if $goesOn then fact("invocation") else fact("journal") end) | rows) as $lines
# What was in the way once is over when the server listens or is stopped, and its own log is about other downloads.
| (if $unit.ActiveState == "inactive" then [] else $lines[(($lines | lastAt("msg=\"Listening on")) // 0):] end
   | map(select(test("^(time=|\\[GIN\\])") | not))) as $reasons
# Those of the last try, which may not have come to the reason yet, and of the one before it.
| $reasons[([range($reasons | length) as $at | select($reasons[$at] | test("^Starting docker-ollama")) | $at][-2] // 0):] as $tries
# The last words before it ended, without those of systemd and of Docker's commands that clear up.
| [$lines[:(($lines | lastAt("process exited, code=")) // ($lines | length))][]
   | select(test("^docker-ollama\\.service: |^[A-Z][a-z ]+ docker-ollama\\.service|^Error.*: No such container: ") | not)][-1] as $lastWords

# The network cards, without Docker's bridges.
| [fact("addresses") | json | arrays | .[] | select(.link_type == "ether" and (.ifname | test("^(docker|br-|veth)") | not))] as $cards
| any($cards[]; .operstate == "UP" or ((.flags // []) | index("LOWER_UP") != null)) as $connected
| [$cards[].addr_info[]? | select(.scope == "global" and (.local | startswith("169.254.") | not))] as $addresses
| [fact("wifi") | rows[] | capture("^ssid=(?<name>.*)$").name] as $wifi
| (fact("wifi") | test("(^|\n)card=")) as $hasWifiCard

# The models drive.
| [fact("disks") | json | objects | .blockdevices[]] as $disks
| ($config.drive // "" | capture("^(?<kind>[A-Z]+)=(?<value>.*)$") // null) as $name
| [$disks[] | select($name != null and (if $name.kind == "LABEL" then .label else .uuid end) == $name.value)] as $drives
| [fact("mounts") | rows[] | split(" ") | select(.[1] == $config.mountPoint and .[2] != "autofs")] as $mounts
# A drive that is in use stays mounted.
| (($mounts | length) > 0 and ($disks | length) > 0 and all($disks[]; .path != $mounts[-1][0])) as $unplugged
| (fact("mount") | test("hibernat|unclean file system|unsafe state")) as $unsafe
| [$disks[] | select(.fstype == "BitLocker") | .path] as $locked
| [$disks[] | select(.fstype == "ReFS") | .path] as $refs
| [$disks[] | select(.fstype == "ntfs") | "\(.label // "one without a name") (\(.path))"] as $ntfs

| ([fact("space") | rows[] | capture("^ *(?<free>[0-9]+) +(?<size>[0-9]+)")][0] // null) as $space
# MiB that are free for models.
| ([fact("models") | rows[] | capture("^ *(?<free>[0-9]+)$").free | number][0]) as $free
| (fact("gpu") | fields) as $gpu
| (fact("listeners") | capture("users:\\(\\(\"(?<program>[^\"]+)\"") // null) as $listener

# What any sentence may name.
| {
    port: ($config.port | tostring),
    drive: ($config.drive // ""),
    others: (if ($ntfs | length) == 0 then "No NTFS drive is plugged in." else "The NTFS drives here are: \($ntfs | join(", "))." end),
    wifi: ($wifi | unique | join(", ")),
    image: $config.image,
    remote: $config.remote,
    date: ($clock.time // 0 | todate[:10]),
    hardwareDate: ($clock.rtc // 0 | todate[:10])
  } as $words

| [
    (if fact("docker") | test("=failed|=inactive") and $clock.uptime > 60 then one("docker-down") else empty end),
    # The first seconds of a boot belong to the devices and to DHCP.
    (if $clock.uptime < 30 then empty
     elif ($cards | length) == 0 then one("no-network-card")
     elif $connected | not then
       if ($wifi | length) == 0 then one("no-cable")
       elif $hasWifiCard then one("wifi-not-connected")
       else one("no-wifi-card") end
     elif ($addresses | length) == 0 then one("no-address")
     elif fact("names") | test("(^|\n)nameserver ") | not then one("no-name-server")
     else empty end),
    (if $name == null or $clock.uptime < 15 then empty
     elif ($mounts | length) > 0 and ($unplugged | not) then
       if $mounts[-1][3] | startswith("ro") | not then empty
       elif $unsafe then one("drive-hibernated")
       else one("drive-read-only") end
     elif ($drives | length) > 1 then one("drive-twice"; { paths: [$drives[].path] | join(", ") })
     elif ($drives | length) == 1 then
       if $drives[0].fstype != "ntfs" then one("drive-file-system"; { fileSystem: ($drives[0].fstype // "unknown") })
       elif fact("mount") | test("corrupt|inconsistent|hardware fault|Failed to mount") then one("drive-damaged")
       else empty end
     elif ($locked | length) > 0 and ($unplugged | not) then one("drive-bitlocker"; { paths: $locked | join(", ") })
     elif ($refs | length) > 0 and ($unplugged | not) then one("drive-refs"; { paths: $refs | join(", ") })
     else one("drive-missing") end),
    (if $space != null and ($space.free | number) < 64 then one("persist-full") else empty end),
    # Linux does that when a write has failed.
    (if [fact("mounts") | rows[] | split(" ") | select(.[1] == "/persist")][-1][3] // "" | test("(^|,)(ro|emergency_ro)(,|$)")
     then one("persist-read-only") else empty end),
    # Local time may differ from UTC by 14 hours.
    (if ($clock.rtc // 0) > 0 and ($clock.rtc - $clock.time | fabs) > 86400 then one("clock-wrong") else empty end),
    (if $gpu.opened // "" | test("Operation not permitted|No such file") then one("gpu-gone") else empty end),
    # That PERSIST is full was seen at boot, and may be over.
    (fact("notices") | rows[] | select(contains("\tPERSIST is full") | not) | split("\t") as [$notice, $line]
     # Room for models was looked for when the server started.
     | select($notice != "space" or $free == null or $free < 5120)
     | first($causes[] | select(.notice == $notice) | select(.words as $words | $line | test($words))) // { id: "" }
     | { id: .id, line: $line }),
    (if $answers then empty else
       ($causes[] | select(.journal and .all) as $cause | $tries[] | capture($cause.journal) | { id: $cause.id, with: . }),
       latest($reasons[] as $line | first($causes[] | select(.journal and (.all | not)) | select(.journal as $journal | $line | test($journal)))
         | { id: .id, with: (.journal as $journal | $line | capture($journal)) }),
       (if $listener != null and $listener.program != "ollama" then one("port-taken"; $listener) else empty end),
       (if $clock.uptime > 60 and ($unit.ActiveState == "inactive" or $unit.ActiveState == "failed")
          # At boot it may still wait for others.
          and (($unit.Job // "") == "" or $clock.uptime > 300) then one("stopped") else empty end),
       (if $goesOn and $sub == "start-pre" and any($lines[]; test("is being loaded$")) then one("image-loading")
        elif $goesOn and $sub == "start-pre" and $age > 60 then one("start-slow")
        elif $goesOn and $age > 60 and (fact("container") | rows | length) > 0 then one("unanswered")
        else empty end)
     end)
  ] as $found

| ($causes | map({ key: .id, value: . }) | from_entries) as $table
# Why the folder for models cannot be made, or the image not be downloaded, says more than that it cannot.
| [$found[] | .id | select($table[.].state == "not serving")] as $worst
| any($worst[]; startswith("drive-")) as $noDrive
| any($worst[]; startswith("registry-") or . == "image-unknown" or . == "clock-certificate") as $noRegistry
| [$found[] | select((.id != "models-folder" or ($noDrive | not)) and (.id != "image-not-downloaded" or ($noRegistry | not)))] as $found
# Without a better reason, the last line that the container has printed. One failure may be over in a moment.
| (if $clock.silent > 60 then 1 else 2 end) as $many
| (if $answers or $goesOn or ($unit.NRestarts // "0" | number) < $many or any($found[]; $table[.id].state == "not serving") then []
   else [one("restarts"; { status: ($unit.ExecMainStatus // "unknown"), line: ($lastWords // "it printed nothing" | quoted) })] end) as $restarts

| [$found + $restarts | .[]
   | .id as $id
   # A notice that no cause knows is said all the same.
   | ($table[$id] // { id: "notice", state: "degraded" }) as $cause
   | { id: $cause.id, state: $cause.state, rank: ([$causes[].id] | index($id) // 1000),
       says: (.line // reduce (($words + .with) | to_entries[]) as $word ($cause.says; split("{\($word.key)}") | join($word.value // ""))) }
   | if $cause.toDo then .says += " \($cause.toDo)" else . end]
| unique_by([.rank, .says]) as $said
| {
    state: (
      if any($said[]; .state == "not serving") then "not serving"
      elif $answers | not then "starting"
      elif any($said[]; .state == "degraded") then "degraded"
      else "serving" end),
    address: (($addresses | map(select(.family == "inet")) + . | .[0].local // "") as $address
      | if $address == "" then null elif $address | contains(":") then "http://[\($address)]:\($config.port)"
        else "http://\($address):\($config.port)" end),
    causes: [$said[] | del(.rank)]
  }
