
# `cargo xtask …` is completed as `xtask …`.
function __fish_cargo_as_xtask
    set --local words (commandline --tokenize --current-process --cut-at-cursor)[3..]
    complete --do-complete (string join ' ' -- xtask (string escape -- $words) (commandline --current-token --cut-at-cursor))
end
complete --command cargo --condition '__fish_seen_subcommand_from xtask' --no-files --arguments '(__fish_cargo_as_xtask)'
