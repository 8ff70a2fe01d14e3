# bash completion for kvmdbg
_kvmdbg() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=
  [[ $COMP_CWORD -eq 1 ]] || command=${COMP_WORDS[1]}
  COMPREPLY=()
  case $command in
    '') mapfile -t COMPREPLY < <(compgen -W 'run list platform probe dump --help --version' -- "$word") ;;
    list | probe) mapfile -t COMPREPLY < <(compgen -W '--json --help' -- "$word") ;;
    platform)
      if [[ $before == --listen ]]; then
        mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1235 unix:' -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -W '--listen --allow-remote --any-user --help' -- "$word")
      fi
      ;;
    dump)
      if [[ $before == --connect ]]; then
        mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1234 unix:' -- "$word")
      elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--connect --force --help' -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
      fi
      ;;
    run)
      case $before in
        --listen) mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:1234 unix: stdio' -- "$word") ;;
        --irqchip) mapfile -t COMPREPLY < <(compgen -W 'kernel none' -- "$word") ;;
        --kill) mapfile -t COMPREPLY < <(compgen -W 'detach pause poweroff' -- "$word") ;;
        --console)
          mapfile -t COMPREPLY < <(
            compgen -W 'stdio pty none' -- "$word"
            compgen -f -- "$word"
          )
          ;;
        --cpus | --memory | --append | --flat | --name | --allow-origin | --max-workers | --worker-timeout) ;;
        *)
          if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--flat --firmware --debug-port --cpus --memory --listen --allow-remote --any-user
              --allow-origin --dap --root --max-workers --worker-timeout --audit --go
              --append --initrd --irqchip --console --kill --name --scratch --dump-folder --trace --help' -- "$word")
          else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
          fi
          ;;
      esac
      ;;
  esac
}
complete -o filenames -F _kvmdbg kvmdbg
