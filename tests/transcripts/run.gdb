# gdb's `run` under extended-remote: kill, then vRun. The points that are set meanwhile stay.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$!#..
<- $OK#..
-> $vCont;c#..
 ! stopped vcpu=0 poweroff=3
<- /^\$T0f/
-> $vKill;1#..
<- $OK#..
 = guest stopped
-> $vRun;2f62696e2f7368#..
<- $E5f#..
-> $Z1,1000,1#..
<- $OK#..
-> $vRun;#..
<- /^\$T05.*05:f0ff000000000000;.*thread:1;core:0;#..$/
 = points 1
-> $vCont;c#..
 ! stopped vcpu=0 poweroff=3
<- /^\$T0f/
-> $vCont;c#..
<- $W03#..
-> $vRun;#..
<- $E13#..
