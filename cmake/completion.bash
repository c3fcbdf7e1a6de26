# Completion of the lait programs for bash: options from a program's own --help, its subcommands,
# shipped configs, files. `make install` puts it where bash-completion looks; by hand: source
# cmake/completion.bash
_lait() {
  local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]}
  local before=${COMP_WORDS[COMP_CWORD - 1]} subcommand=() help words=
  COMPREPLY=()
  # A command's own options, not the program's.
  [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == [a-z]* ]] && subcommand=("${COMP_WORDS[1]}")
  help=$("$program" "${subcommand[@]}" --help 2>/dev/null)
  if [[ $before == --config ]]; then
    words=$("$program" --list-configs 2>/dev/null | cut -d' ' -f1)
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"
                             compgen -f -X '!*.yaml' -- "$word"; compgen -d -- "$word")
  else
    if [[ $word == -* ]]; then
      words=$(sed -nE 's/^  (-[a-z], )?(--[a-z][a-z-]*).*/\2/p' <<<"$help")
    elif [[ $COMP_CWORD == 1 ]]; then
      words=$(sed -nE '/^COMMANDS/,/^$/ s/^  ([a-z][a-z-]*) .*/\1/p' <<<"$help")
    elif [[ $before == --* ]]; then  # an option's choices, "--device auto|cpu|cuda"
      words=$(sed -nE "s/^  $before ([a-z0-9|]+)( .*|$)/\\1/p" <<<"$help" | tr '|' ' ')
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  fi
  [[ ${#COMPREPLY[@]} -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _lait lait-train lait-eval lait-predict lait-serve lait-cache lait-data \
  lait-bench
