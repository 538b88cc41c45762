# Maps a text to the reason why it does not name an NTFS drive, or to null if it does.
{lib}: drive: let
  split = builtins.match "([^=]*)=(.*)" drive;
  kind = builtins.elemAt split 0;
  value = builtins.elemAt split 1;

  # Explorer's words for a drive that has no label, in small letters.
  unnamed = [
    "local disk"
    "lokaler datenträger"
    "disque local"
    "disco local"
    "disco locale"
    "dysk lokalny"
    "lokale schijf"
    "lokal disk"
  ];

  # The characters of a text: its bytes without those that continue a character of UTF-8, 80 to BF.
  byte = builtins.substring 1 1;
  lowest = byte (builtins.fromJSON ''"\u0080"'');
  highest = byte (builtins.fromJSON ''"\u00bf"'');
  characters = lib.count (one: one < lowest || one > highest) (lib.stringToCharacters value);

  controls = map (code: builtins.fromJSON ''"\u00${code}"'') (
    lib.concatMap (high: map (low: high + low) (lib.stringToCharacters "0123456789abcdef")) ["0" "1"] ++ ["7f"]
  );
  hasControl = lib.any (control: control != "" && lib.hasInfix control value) (lib.tail controls);
  inQuotes = builtins.match "\".*\"|'.*'" value != null;
  # Explorer shows the letter behind the label.
  withLetter = builtins.match "(.*[^ ]) *\\([A-Za-z]:\\)" value;

  serial = builtins.match "(0[xX])?([0-9A-Fa-f]{16})" value;
  upper = lib.toUpper (lib.last serial);
  rename = ''Name the drive in Explorer (right-click, Rename), and write that name, as in "LABEL=Models".'';
  howTo = ''Write "LABEL=" and the name that Explorer shows, as in "LABEL=Models", or "UUID=" and the drive's 16 digits (in Windows, as administrator: `fsutil fsinfo ntfsinfo D:`; in Linux: `lsblk -o NAME,LABEL,UUID`). If there is no drive, write null, without quotes'';

  label =
    if value == ""
    then ''has no label behind "LABEL=". ${rename}''
    else if builtins.match ''[A-Za-z]:\\?'' value != null
    then "is a drive letter, which only Windows knows. ${howTo}."
    else if builtins.elem (lib.toLower value) unnamed
    then ''is what Explorer shows for a drive without a name. ${rename}''
    else if withLetter != null
    then ''ends in a drive letter, which is not part of the name. Write "LABEL=${builtins.head withLetter}".''
    else if inQuotes
    then ''has quotes around the label. Write "LABEL=${builtins.substring 1 (builtins.stringLength value - 2) value}".''
    else if lib.trim value != value
    then ''has spaces around the label. Write "LABEL=${lib.trim value}".''
    else if hasControl
    then "has a control character in the label. ${howTo}."
    else if characters > 32
    then "has a label of ${toString characters} characters; Windows allows 32. ${howTo}."
    else null;

  uuid =
    if serial == null
    then "is not the UUID of an NTFS drive, which has 16 hexadecimal digits (`vol` shows the last eight; a drive that has no more is not NTFS). ${howTo}."
    else if value != upper
    then ''is not in upper case, as Linux writes the UUID of a drive. Write "UUID=${upper}".''
    else null;
in
  if builtins.match ''[A-Za-z]:.*'' drive != null
  then "is a drive letter, which only Windows knows. ${howTo}."
  else if split == null || !builtins.elem (lib.toUpper kind) ["LABEL" "UUID"]
  then "does not name a drive. ${howTo}."
  else if lib.toUpper kind != kind
  then ''begins in lower case. Write "${lib.toUpper kind}=${value}".''
  else if kind == "LABEL"
  then label
  else uuid
