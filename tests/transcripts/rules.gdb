# Conditions, and commands in the style of dprintf's agent, decided by the server.
-> $qSupported:multiprocess+;swbreak+;hwbreak+#..
<- /^\$PacketSize=.*;ConditionalBreakpoints\+;BreakpointCommands\+;.*#..$/
-> +$QStartNoAckMode#..
<- +$OK#..
# 0 == 1
-> +$Z0,1000,1;X6,220022011327#..
<- $OK#..
 = points 1
# again: idempotent, here with two conditions and without any
-> $Z0,1000,1;X3,220127X3,220027#..
<- $OK#..
-> $Z0,1000,1#..
<- $OK#..
 = points 1
# printf "a %d" with one value, for good
-> $Z1,1010,1;cmds:1,X12,22052200220034010005612025640027#..
<- $OK#..
-> $vCont;c#..
 ! log client=1 vcpu=0 hardware=0x1010 dropped=0 a 5
<- $O6120350a#..
 ! log client=1 vcpu=1 hardware=0x1010 dropped=3 a 6
<- $O2833206c696e6573206f6620686172647761726520706f696e742061742030783130313020*"6c656674206f7574290a#..
<- $O6120360a#..
# another client's is not told here
 ! log client=2 vcpu=1 hardware=0x1010 dropped=0 b
 ! stopped vcpu=0 software=0x1000
<- /^\$T05.*#..$/
# nobody waits: not told
 ! log client=1 vcpu=0 hardware=0x1010 dropped=0 late
-> $z1,1010,1#..
<- $OK#..
# what is no code
-> $Z0,1020,1;X1,31#..
<- $E16#..
-> $Z0,1020,1;X2,27#..
<- $E16#..
-> $Z0,1020,1;cmds:1,X3,2701#..
<- $E16#..
 = points 1
