# Maps a model's name to what is wrong with it, as a sentence, or to null. The rules are Ollama's own:
# [[SCHEME://]HOST/NAMESPACE/ | NAMESPACE/]MODEL[:TAG].
{lib}: name: let
  first = "[A-Za-z0-9_]";
  part = others: "${first}[A-Za-z0-9_${others}-]{0,79}";
  host = "(https?://)?${first}[A-Za-z0-9_.:-]*";
  wellFormed = builtins.match "(${host}/${part ""}/|${part ""}/)?${part "."}(:${part "."})?" name != null;

  # The address of a model's page.
  page = builtins.match "(https?://)?(www\\.)?ollama\\.com/(library/)?(.+)" name;
in
  if page != null
  then ''"${name}" is the address of a page. Write the model's name, "${lib.last page}".''
  else if !wellFormed
  then ''"${name}" is not the name of a model. Write it as ollama.com shows it, such as "llama3.2" or "qwen3:8b".''
  else null
