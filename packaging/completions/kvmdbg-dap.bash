# bash completion for kvmdbg-dap
_kvmdbg_dap() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $before in
    --framing) mapfile -t COMPREPLY < <(compgen -W 'stream websocket' -- "$word") ;;
    --role) mapfile -t COMPREPLY < <(compgen -W 'control observe' -- "$word") ;;
    --program) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    --index-cache | --root) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    --client | --preamble | --lldb | --control | --peer) ;;
    *)
      mapfile -t COMPREPLY < <(compgen -W '--client --preamble --lldb --control --framing --role --peer --index-cache
        --program --root --version --help' -- "$word")
      ;;
  esac
}
complete -o filenames -F _kvmdbg_dap kvmdbg-dap
