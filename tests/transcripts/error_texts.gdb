# A client that takes error texts gets them.
-> $qSupported:error-message+#..
<- /^\+$/
<- /;error-message\+#..$/
-> +$QStartNoAckMode#..
<- +$OK#..
-> +$m2000,4#..
<- $E.no memory at 0x2000#..
-> $m1000,11112222333344445#..
<- $E.length "11112222333344445" has more than 16 hex digits#..
-> $vCont;c:9#..
<- $E.no thread 9: the machine has 2 vCPUs#..
-> $vCont;c#..
-> $P0=0000000000000000#..
<- $E.the guest is running; interrupt it first#..
