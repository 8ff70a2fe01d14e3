# A client that did not ask for swbreak, hwbreak and process ids is not told of them.
-> $qSupported#..
<- +$PacketSize=20000;QStartNoAckMode+;vContSupported+;qXfer:features:read+;qXfer:threads:read+;qXfer:osdata:read+;QPassSignals+;QProgramSignals+;QThreadEvents+;binary-upload+;ConditionalBreakpoints+;BreakpointCommands+#..
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$Z0,1004,1#..
<- $OK#..
-> $c#..
 = motions run run
 ! stopped vcpu=0 software=0x1004
<- $T0503:0000000000000000;04:0000000000000000;05:0410000000000000;06:00000000;thread:1;core:0;#..
-> $qfThreadInfo#..
<- $m1,2#..
-> $qsThreadInfo#..
<- $l#..
