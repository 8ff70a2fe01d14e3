# JSON packets of our own: escaped both ways, words for what is off, events for who asked.
-> $QStartNoAckMode#..
<- +$OK#..
-> +$jKvm.walk:{"address":"0x1234"}]#..
<- /^\$\{"address":"0x1234","physical":"0x101234","pageSize":4096,.*"levels":\["toy table: 0x1234"\]\}\]#/
-> $jKvm.walk:{"address":"ten"}]#..
<- $E.jKvm.walk: "address" must be a number from 0 to 2^64-1, or as text "0x1f"#..
-> $jKvm.nothing#..
<- $E.no request jKvm.nothing; jKvm.help lists them#..
-> $jKvm.trace#..
<- ${"on":false}]#..
-> $jKvm.subscribe:{"events":["stopped"]}]#..
<- ${"events":["stopped"]}]#..
-> $vCont;c#..
 ! stopped vcpu=1 step
<- /^\$T05.*thread:2;/
<- /^%Kvm:\{"event":"stopped","epoch":1,"vcpus":\[\{"vcpu":1,"kind":"step","reasons":\["stepped"\]\}\]\],"by":1,"byName":"client 1"\}\]#/
