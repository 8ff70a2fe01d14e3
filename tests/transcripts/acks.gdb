# Acknowledgements: resends, bad sums, strays.
-> +++---
-> $qC#..
<- +$QC1#..
-> -
<- $QC1#..
-> -
<- $QC1#..
-> +
-> -
-> $qC#00
<- -
-> $qC#zz
<- -
-> $qC#..
<- +$QC1#..
# the next packet takes the last reply as taken
-> $qAttached#..
<- +$1#..
-> -
<- $1#..
# console output and its OK are under way one at a time
-> +$qRcmd,736179#..
<- +
<- /^\$O[0-9a-f]+#..$/
-> -
<- /^\$O[0-9a-f]+#..$/
-> +
<- $OK#..
-> +-
# a stop reply is resent like any other
-> $c#..
<- +
 ! stopped vcpu=0 step
<- /T05/
-> -
<- /T05/
-> +
# no acks once the client has taken the OK
-> $QStartNoAckMode#..
<- +$OK#..
-> -
<- $OK#..
-> +
-> +-+-
-> $qC#..
<- $QC1#..
-> $qC#00
<- $QC1#..
-> -
