# Stepping one vCPU, with the others held or running.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$vCont;s:1#..
 = motions step hold
 ! stopped vcpu=0 step
<- /^\$T05.*thread:1;core:0;#..$/
-> $vCont;s:2;c#..
 = motions run step
 ! stopped vcpu=1 step
<- /^\$T05.*thread:2;core:1;#..$/
-> $s#..
 = motions run step
 ! stopped vcpu=1 step
<- /thread:2;/
-> $Hc1#..
<- $OK#..
-> $s#..
 = motions step hold
 ! stopped vcpu=0 step
<- /thread:1;/
-> $Hc-1#..
<- $OK#..
-> $S05;1234#..
 = motions step run
 ! stopped vcpu=0 step
<- /05:3412000000000000;/
# leftmost match wins
-> $vCont;c:1;s:1;t#..
 = motions run hold
 ! stopped vcpu=0 step
<- /thread:1;/
# a hit in the same step is what the client hears of
-> $Z2,3000,4#..
<- $OK#..
-> $vCont;s:1;c#..
 ! stopped vcpu=0 step write=0x3000+4@0x3002
<- /^\$T05.*thread:1;core:0;watch:3002;#..$/
# through a range of addresses, as gdb's next asks
-> $vCont;r1000,1010:1;c#..
 = motions step[1000,1010) run
 ! stopped vcpu=0 step
<- /^\$T05.*thread:1;core:0;#..$/
-> $vCont;s:1;c#..
 = motions step run
 ! stopped vcpu=0 step write=0x3000+4@0x3002
<- /watch:3002;/
# nothing moves: the present stop is the answer
-> $vCont;t#..
<- /^\$T05.*watch:3002;#..$/
 = guest stopped
