# Ctrl-C, once, twice, and too late.
-> $QStartNoAckMode#..
<- +$OK#..
-> +\x03
 = interrupts 0
-> $vCont;c#..
-> \x03
 = interrupts 1
 ! stopped vcpu=0 interrupt by=1
<- /^\$T02.*thread:1;/
# after the stop reply it means nothing
-> \x03
 = interrupts 1
-> $g#..
<- /^\$0{32}/
# a stop of its own beats the interrupt: there is one stop reply for one resume
-> $vCont;c#..
-> \x03\x03
 = interrupts 3
 ! stopped vcpu=1 software=0x1000
<- /^\$T05.*thread:2;/
-> \x03
 = interrupts 3
# while the guest runs, what needs a stopped one is refused and nothing is owed twice
-> $vCont;c#..
-> $g#..
<- $E10#..
-> $Z0,1000,1#..
<- $OK#..
-> $z0,1000,1#..
<- $OK#..
-> $vCont;c#..
<- $E10#..
-> \x03
 ! stopped vcpu=0 interrupt by=1
<- /^\$T02/
