# fish completion for kvmdbg-dap
complete -c kvmdbg-dap -f
complete -c kvmdbg-dap -l client -x -d "the client's socket"
complete -c kvmdbg-dap -l preamble -x -d 'a file with what has been read of it'
complete -c kvmdbg-dap -l lldb -x -d 'a connection to the server, for LLDB'
complete -c kvmdbg-dap -l control -x -d 'another one, for everything else'
complete -c kvmdbg-dap -l framing -x -a 'stream websocket' -d 'how messages are told apart'
complete -c kvmdbg-dap -l role -x -a 'control observe' -d 'what the client may do'
complete -c kvmdbg-dap -l peer -x -d 'where the client comes from'
complete -c kvmdbg-dap -l index-cache -x -a '(__fish_complete_directories)' -d "folder for LLDB's symbol indexes"
complete -c kvmdbg-dap -l program -r -F -d 'the image, for a client that names none'
complete -c kvmdbg-dap -l root -x -a '(__fish_complete_directories)' -d 'where the client may read'
complete -c kvmdbg-dap -l version -d 'print the version'
complete -c kvmdbg-dap -s h -l help -d 'print help'
