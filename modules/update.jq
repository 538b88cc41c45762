# Decides whether an update is installed: from recorded facts alone, so that tests run it without a machine. The input is the
# release's description of its update; the facts are texts by name, gathered by update.sh. Prints { verdict, says: [sentence] };
# the verdict is "install", "current", "installed", "ask" (the owner has to agree) or "refused".

def fact($name): $ARGS.named[$name] // "";
def rows: split("\n") | map(select(. != ""));
def fields: [rows[] | capture("^(?<key>[^=]*)=(?<value>.*)$")] | from_entries;
def number: tonumber? // 0;
def mib: "\((. / 1048576 | ceil)) MiB";
def unquoted: if test("^\".*\"$") then .[1:-1] | gsub("\\\\(?<c>.)"; .c) else . end;
def answer($verdict; $says): { verdict: $verdict, says: ($says | if type == "array" then . else [.] end) };

# What an owner calls it.
def called: {
    OLLAMALIVE_USER: "the user", OLLAMALIVE_HOST_NAME: "the name of the PC", OLLAMALIVE_MODELS_DRIVE: "the models drive",
    OLLAMALIVE_MODELS_FOLDER: "the folder for models", OLLAMALIVE_ALLOWED_NETWORKS: "the networks that may reach Ollama",
    OLLAMALIVE_SSH_PORT: "SSH's port", OLLAMALIVE_OLLAMA_PORT: "Ollama's port"
  }[.] // .;
def shown: if . == null or . == "" then "none" else . end;

. as $offer
| (fact("running") | fields | map_values(unquoted)) as $system
| ($system.IMAGE_VERSION // "") as $runs
| (fact("options") | rows) as $options
# The UKIs, with their bytes.
| [fact("slots") | rows[] | capture("^(?<bytes>[0-9]+) ollamalive_(?<version>[0-9]{14})(\\+(?<left>[0-9]+)(-[0-9]+)?)?\\.efi$")] as $slots
| [$slots[] | select(.version != $runs and .left == "0") | .version] as $undone
| (fact("room") | fields | map_values(number)) as $room
# systemd-repart makes the ID of the store from the root of its hashes.
| (fact("usrhash") | rows[0] // "" | .[:32]) as $store

| if ($offer | type) != "object" or ($offer.version | type) != "string" or ($offer.version | test("^[0-9]{14}$") | not)
     or ($offer.files | type) != "array" or ($offer.files | length) != 3 then
    answer("refused"; "The release has no files to update from. Flash it instead.")
  else
    ([$offer.files[] | select(.file | endswith(".store"))][0]) as $data
    | ([$offer.files[] | select(.file | endswith(".verity"))][0]) as $hashes
    | ([$offer.files[] | select(.file | endswith(".efi"))][0]) as $uki
    | ($offer.configuration // {}) as $new
    | [($system | keys_unsorted[]), ($new | keys_unsorted[])] as $keys
    | [$keys | unique[] | select(startswith("OLLAMALIVE_") and . != "OLLAMALIVE_LAYOUT")
       | select(($new[.] // "") != ($system[.] // ""))
       | "\(called) changes from \($system[.] | shown) to \($new[.] | shown)."] as $changes
    | ([$slots[] | select(.version != $runs) | .bytes | number] | add // 0) as $replaced
    | if ($offer.layoutVersion | tostring) != ($system.OLLAMALIVE_LAYOUT // "") then
        answer("refused"; "Version \($offer.version) is for sticks of layout \($offer.layoutVersion), and this one has layout \($system.OLLAMALIVE_LAYOUT). Flash the stick instead.")
      elif $data == null or $hashes == null or $uki == null then
        answer("refused"; "The release has no files to update from. Flash it instead.")
      elif $offer.version == $runs then
        if $data.file | gsub("-"; "") | contains($store) then answer("current"; "Version \($runs) is the newest, and runs.")
        else answer("refused"; "Version \($runs) runs already, with other contents than the one offered. Commit once more, and make the update again: a version is the time of its commit.") end
      elif $offer.version < $runs then
        answer("refused"; "Version \($offer.version) is older than \($runs), which runs. To go back, flash the stick.")
      elif any($undone[]; . == $offer.version) then
        answer("refused"; "Version \($offer.version) was tried and undone: \(fact("why") | rows[0] // "it did not start"). The next version will be taken.")
      elif any($slots[]; .version == $offer.version) then
        answer("installed"; "Version \($offer.version) is installed. It starts at the next restart: sudo systemctl reboot")
      elif any([$data, $room.store], [$hashes, $room.verity]; (.[0].bytes > .[1])) then
        answer("refused"; "Version \($offer.version) does not fit: its files have \($data.bytes | mib) and \($hashes.bytes | mib), this stick has room for \($room.store | mib) and \($room.verity | mib). Flash the stick instead.")
      elif $uki.bytes + 1048576 > $room.boot + $replaced then
        answer("refused"; "The stick's first partition (ESP) has no room: version \($offer.version) needs \($uki.bytes + 1048576 - $room.boot - $replaced | mib) more. Delete files of yours there.")
      elif $room.persist != null and ([$offer.files[].bytes] | add) > $room.persist then
        answer("refused"; "PERSIST has no room for the update: it needs \(([$offer.files[].bytes] | add) - $room.persist | mib) more. Delete something under /persist (unused images: docker image prune --all).")
      elif ($changes | length) > 0 and ($options | index("yes") | not) then
        answer("ask"; ["Version \($offer.version) was built for another configuration:"] + [$changes[] | "- \(.)"])
      elif (fact("busy") | rows | length) > 0 and ($options | index("force") | not) then
        answer("refused"; "\(fact("busy") | rows[0]) Try again later, or add --force.")
      else answer("install"; "Version \($offer.version) is newer than \($runs), which runs.")
      end
  end
