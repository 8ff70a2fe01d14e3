# Two gdbs on one machine.
-> $QStartNoAckMode#..
<- +$OK#..
2-> $QStartNoAckMode#..
2<- +$OK#..
2-> +$?#..
2<- /^\$T05/
# the same point twice is one point
-> +$Z0,1000,1#..
<- $OK#..
2-> $Z0,1000,1#..
2<- $OK#..
 = points 1
-> $z0,1000,1#..
<- $OK#..
 = points 1
-> $vCont;c#..
# the other one cannot know, and is refused what needs a stopped guest
2-> $g#..
2<- $E10#..
# nobody owes it a stop reply
2-> \x03
 = interrupts 0
# it joins the run that is under way
2-> $vCont;c#..
 ! stopped vcpu=0 software=0x1000
<- /^\$T05/
2<- /^\$T05/
2-> $p5#..
2<- $0010000000000000#..
# run control stays with whoever has it
2-> $vCont;s:1#..
2<- /^\$O[0-9a-f]+#..$/
2<- /^\$T02/
 = guest stopped
-> $vCont;c#..
# asking stops the guest, and both are told
2-> $?#..
 ! stopped vcpu=0 interrupt by=2
<- /^\$T02/
2<- /^\$T02/
 . client 1 left
2-> $vCont;c#..
 = guest running
 ! stopped vcpu=1 step
2<- /thread:2;/
2-> $D#..
2<- $OK#..
 = points 0
