# Values of NixOS as plain text and lists.
{lib}: let
  sorted = lib.sort lib.lessThan;
  unique = list: sorted (lib.unique list);
  # Reading the contract must not build anything.
  text = value: builtins.unsafeDiscardStringContext (toString value);
  lines = string: lib.filter (line: line != "") (map lib.trim (lib.splitString "\n" (text string)));

  plain = value:
    if lib.isList value
    then map plain value
    else if lib.isString value || lib.isDerivation value || builtins.isPath value
    then text value
    else value;

  # A setting of sshd as a line of its file.
  directive = name: value: let
    separator =
      if lib.elem name ["Ciphers" "KexAlgorithms" "Macs"]
      then ","
      else " ";
    words =
      if lib.isBool value
      then
        (
          if value
          then "yes"
          else "no"
        )
      else if lib.isList value
      then lib.concatStringsSep separator value
      else text value;
  in "${name} ${words}";

  # Rules without comments, and without the rule that only newer releases have.
  rules = content: let
    withoutComment = line: let
      parts = builtins.match ''(.*[^ ])? *comment "[^"]*"'' line;
    in
      if lib.hasPrefix "#" line
      then ""
      else if parts == null
      then line
      else toString parts;
  in
    lib.filter (line: line != "" && line != "icmpv6 type echo-reply accept") (
      map withoutComment (lines content)
    );
in {
  inherit directive lines plain rules text unique;
}
