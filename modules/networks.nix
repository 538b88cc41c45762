# Maps a text to the reason why a firewall rule cannot use it as a network, or to null if it can.
{lib}: text: let
  shown = builtins.toJSON text;
  split = builtins.match "([^/]*)(/(.*))?" text;
  address = builtins.elemAt split 0;
  suffix = builtins.elemAt split 2;

  count = condition: list: builtins.length (builtins.filter condition list);
  isNumber = digits: builtins.match "0|[1-9][0-9]{0,2}" digits != null;

  # Four numbers, or null.
  ipv4 = let
    parts = lib.splitString "." address;
  in
    if builtins.length parts == 4 && lib.all (part: isNumber part && lib.toInt part <= 255) parts
    then map lib.toInt parts
    else null;

  # Eight numbers, or null. "::" stands for all groups that are missing.
  ipv6 = let
    halves = lib.splitString "::" address;
    groups = half: lib.optionals (half != "") (lib.splitString ":" half);
    listed = lib.concatMap groups halves;
    missing = 8 - builtins.length listed;
    filled =
      if builtins.length halves == 1
      then listed
      else groups (builtins.head halves) ++ lib.genList (_: "0") missing ++ groups (lib.last halves);
    wellFormed =
      count (group: builtins.match "[0-9a-fA-F]{1,4}" group == null) listed
      == 0
      && (
        if builtins.length halves == 1
        then missing == 0
        else builtins.length halves == 2 && missing > 0
      );
  in
    if wellFormed
    then map lib.trivial.fromHexString filled
    else null;

  family =
    if ipv4 != null
    then {
      name = "IPv4";
      groups = ipv4;
      width = 8;
      usual = 24;
      show = groups: lib.concatMapStringsSep "." toString groups;
    }
    else {
      name = "IPv6";
      groups = ipv6;
      width = 16;
      usual = 64;
      # "::" in place of the zeros at the end.
      show = groups: let
        used = lib.foldl' (used: index:
          if builtins.elemAt groups index == 0
          then used
          else index + 1)
        0 (lib.range 0 7);
        hex = map (group: lib.toLower (lib.trivial.toHexString group)) (lib.take used groups);
      in
        lib.concatStringsSep ":" hex + lib.optionalString (used < 8) "::";
    };
  bits = family.width * builtins.length family.groups;

  # The address with the bits of the host cleared.
  network = prefix:
    lib.imap0 (
      index: group: let
        kept = lib.max 0 (lib.min family.width (prefix - family.width * index));
        size = lib.foldl' (size: _: size * 2) 1 (lib.genList lib.id (family.width - kept));
      in
        group - lib.mod group size
    )
    family.groups;
  write = prefix: ''"${family.show (network prefix)}/${toString prefix}"'';
in
  if family.groups == null
  then ''${shown} is not a network. Write one as "192.168.1.0/24" or "fd00:1:2:3::/64", or a single address as "192.168.1.5".''
  else if suffix == null
  then null
  else if !isNumber suffix || lib.toInt suffix > bits
  then ''${shown} ends in "/${suffix}", but the prefix of an ${family.name} network is a number from 0 to ${toString bits}. Write ${write family.usual} for example.''
  else let
    prefix = lib.toInt suffix;
  in
    if network prefix == family.groups
    then null
    else ''${shown} is the address of a host with the prefix of its network. Write ${write prefix} for the network, or "${address}" for the host alone.''
