# What gdb 13 sends on `target remote`, in its order.
-> +$qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;exec-events+;vContSupported+;QThreadEvents+;no-resumed+;memory-tagging+;xmlRegisters=i386#..
<- +$PacketSize=20000;QStartNoAckMode+;vContSupported+;qXfer:features:read+;qXfer:threads:read+;qXfer:osdata:read+;QPassSignals+;QProgramSignals+;QThreadEvents+;binary-upload+;ConditionalBreakpoints+;BreakpointCommands+;multiprocess+;swbreak+;hwbreak+#..
-> +$vMustReplyEmpty#..
<- +$#00
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$Hgp0.0#..
<- $OK#..
-> $qXfer:features:read:target.xml:0,200#..
<- /^\$m<\?xml version="1\.0"\?>.*<architecture>i386:x86-64</
-> $qXfer:features:read:target.xml:200,1000#..
<- /^\$l.*#..$/
-> $qTStatus#..
<- $#00
-> $?#..
<- $T0503:0000000000000000;04:0000000000000000;05:0000000000000000;06:00000000;thread:p1.1;core:0;#..
-> $qXfer:threads:read::0,1000#..
<- /^\$l<\?xml version="1\.0"\?>.*<thread id="p1\.1" core="0" name="vCPU 0">toy mode &lt;0&gt;</
-> $qAttached:1#..
<- $1#..
-> $Hc-1#..
<- $OK#..
-> $qOffsets#..
<- $Text=0;Data=0;Bss=0#..
-> $m1000,4#..
<- $00010203#..
-> $m1000,4#..
<- $00010203#..
-> $qSymbol::#..
<- $qSymbol:6c696e75785f62616e6e6572#..
-> $qSymbol:ffffffff82000000:6c696e75785f62616e6e6572#..
<- $qSymbol:696e69745f7461736b#..
-> $qSymbol::696e69745f7461736b#..
<- $OK#..
