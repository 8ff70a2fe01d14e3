# Points with rules, set while the guest runs; log lines as notifications.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$jKvm.subscribe:{"events":["log"]\x7d]#..
<- ${"events":["log"]\x7d]#..
-> $vCont;c#..
 = guest running
-> $jKvm.insert:{"kind":"software","address":"0x1000","condition":"r0 == 3","hits":"%2","log":"r0 {r0:d\x7d]"\x7d]#..
<- /^\$\{"point":"software point at 0x1000".*"rule":"if r0 == 3, hits %2, logs .*#..$/
 = points 1
 = guest running
 ! log client=1 vcpu=0 software=0x1000 dropped=0 r0 3
<- /^%Kvm:\{"event":"log".*"vcpu":0,"text":"r0 3","dropped":0.*#..$/
-> $jKvm.insert:{"kind":"software","address":4096,"condition":"r0 = 3"\x7d]#..
<- $E."condition": column 4: unexpected "= 3"#..
-> $jKvm.remove:{"kind":"software","address":4096\x7d]#..
<- /^\$\{"point":"software point at 0x1000","kind":"software".*#..$/
-> $jKvm.remove:{"kind":"software","address":4096\x7d]#..
<- $E.client 1 has no software point at 0x1000#..
 = points 0
