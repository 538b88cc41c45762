# Decides whether to install an update, from facts alone, so that tests need no machine. The input is a list with the update's
# description. The facts are texts that update.sh gathers and passes as arguments. Prints { verdict, says: [sentence] }; the
# verdict is "install", "current" (it is running), "installed" (it waits for a restart), "ask" (the owner has to agree) or
# "refused".

def fact($name): $ARGS.named[$name] // "";
def rows: split("\n") | map(select(. != ""));
def fields: [rows[] | capture("^(?<key>[^=]*)=(?<value>.*)$")] | from_entries;
def number: tonumber? // 0;
def mib: "\((. / 1048576 | ceil)) MiB";
def unquoted: if test("^\".*\"$") then .[1:-1] | gsub("\\\\(?<c>.)"; .c) else . end;
def answer($verdict; $says): { verdict: $verdict, says: ($says | if type == "array" then . else [.] end) };

# An owner's name for a setting.
def called: {
    OLLAMALIVE_USER: "the user", OLLAMALIVE_HOST_NAME: "the name of the PC", OLLAMALIVE_MODELS_DRIVE: "the models drive",
    OLLAMALIVE_MODELS_FOLDER: "the folder for models", OLLAMALIVE_ALLOWED_NETWORKS: "the networks that may reach Ollama",
    OLLAMALIVE_SSH_PORT: "the SSH port", OLLAMALIVE_OLLAMA_PORT: "Ollama's port"
  }[.] // .;
def shown: if . == null or . == "" then "none" else . end;

# Whether the input describes a file of $version under a name that sysupdate looks for (update.nix).
def names($version; $kind):
  type == "object" and (.file | type == "string" and test("^ollamalive_\($version)" + $kind + "$"))
  and (.bytes | type == "number") and (.sha256 | type == "string" and test("^[0-9a-f]{64}$"));
def partition($kind): "_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.\($kind)";

.[0] as $offer
| (fact("running") | fields | map_values(unquoted)) as $system
| ($system.IMAGE_VERSION // "") as $runs
| (fact("options") | rows) as $options
# The UKIs: size in bytes, version, and tries left (null: tries are not counted).
| [fact("slots") | rows[] | capture("^(?<bytes>[0-9]+) ollamalive_(?<version>[0-9]{14})(\\+(?<left>[0-9]+)(-[0-9]+)?)?\\.efi$")] as $slots
| [$slots[] | select(.version != $runs and .left == "0") | .version] as $undone
| (fact("room") | fields | with_entries({ key, value: (.value | number) })) as $room
# systemd-repart makes the ID of STORE from the first half of the root hash.
| (fact("usrhash") | rows[0] // "" | .[:32]) as $store

| if ($offer | type) != "object" or ($offer.version | type) != "string" or ($offer.version | test("^[0-9]{14}$") | not)
     or ($offer.files | type) != "array" or ($offer.files | length) != 3 then
    answer("refused"; "The release has no update files. Flash it instead.")
  else
    ([$offer.files[] | select(names($offer.version; partition("store")))][0]) as $data
    | ([$offer.files[] | select(names($offer.version; partition("verity")))][0]) as $hashes
    | ([$offer.files[] | select(names($offer.version; "\\.efi"))][0]) as $uki
    | ($offer.configuration // {}) as $new
    | [($system | keys_unsorted[]), ($new | keys_unsorted[])] as $keys
    | [$keys | unique[] | select(startswith("OLLAMALIVE_") and . != "OLLAMALIVE_LAYOUT")
       | select(($new[.] // "") != ($system[.] // ""))
       | "\(called) changes from \($system[.] | shown) to \($new[.] | shown)."] as $changes
    | ([$slots[] | select(.version != $runs) | .bytes | number] | add // 0) as $replaced
    | ([$offer.files[] | objects | .bytes] | add) as $bytes
    | "Version \($offer.version)" as $it
    | if $data == null or $hashes == null or $uki == null then
        answer("refused"; "The release has no update files. Flash it instead.")
      elif ($offer.layoutVersion | tostring) != ($system.OLLAMALIVE_LAYOUT // "") then
        answer("refused"; "\($it) is for sticks of layout \($offer.layoutVersion), and this one has layout "
          + "\($system.OLLAMALIVE_LAYOUT | shown). Flash the stick instead.")
      elif $offer.version == $runs then
        if $data.file | gsub("-"; "") | contains($store) then answer("current"; "\($it) is the newest, and is running.")
        else answer("refused"; "\($it) is already running, with other contents than this update. Make a new "
          + "commit, and build the update again: its version is the time of the commit.") end
      elif $offer.version < $runs then
        answer("refused"; "\($it) is older than \($runs), which is running. To go back, flash the stick.")
      elif any($undone[]; . == $offer.version) then
        answer("refused"; "\($it) was tried and undone: \(fact("why") | rows[0] // "it did not start"). Newer versions are still accepted.")
      elif any($slots[]; .version == $offer.version) then
        answer("installed"; "\($it) is installed. It starts at the next restart: sudo systemctl reboot")
      elif fact("trial") != "" then
        # The update would overwrite the version to go back to.
        answer("refused"; "Version \($runs) is running, and still on trial. That can take 15 minutes: try again then.")
      elif any([$data, $room.store], [$hashes, $room.verity]; (.[0].bytes > .[1])) then
        answer("refused"; "\($it) does not fit: its files take \($data.bytes | mib) and \($hashes.bytes | mib), and this stick has room "
          + "for \($room.store | mib) and \($room.verity | mib). Flash the stick instead.")
      elif $uki.bytes + 1048576 > $room.boot + $replaced then
        answer("refused"; "The stick's first partition (ESP) has no room: \($it | ascii_downcase) needs "
          + "\($uki.bytes + 1048576 - $room.boot - $replaced | mib) more. Delete files that you put there.")
      elif $room.persist != null and $bytes > $room.persist then
        answer("refused"; "PERSIST has no room for the update: it needs \($bytes - $room.persist | mib) more. "
          + "Delete something under /persist (unused images: docker image prune --all).")
      elif ($changes | length) > 0 and ($options | index("yes") | not) then
        answer("ask"; ["\($it) was built for another configuration:"] + [$changes[] | "- \(.)"])
      elif (fact("busy") | rows | length) > 0 and ($options | index("force") | not) then
        answer("refused"; "\(fact("busy") | rows[0]) Try again later, or add --force.")
      else answer("install"; "\($it) is newer than \($runs), which is running.")
      end
  end
