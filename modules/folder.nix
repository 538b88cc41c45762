# Maps a folder on the models drive to what is wrong with it, as the end of a sentence, or to null.
{lib}: folder: let
  parts = lib.splitString "/" folder;
in
  if builtins.match "[A-Za-z]:.*" folder != null || lib.hasInfix "\\" folder
  then ''is written as in Windows. Write it without the drive's letter and with "/", such as "ollama/models".''
  else if lib.hasPrefix "/" folder
  then ''begins with "/". Write it as seen from the drive, such as "ollama/models".''
  else if folder == "" || lib.any (part: part == "" || part == "..") parts
  then ''does not name a folder. Write it as seen from the drive, such as "ollama/models", or "." for the drive itself.''
  else if builtins.match ''[^<>:"|?*[:cntrl:]]+'' folder == null
  then ''has a character that no name on an NTFS drive can have. Write it as Windows Explorer shows it, with "/".''
  else null
