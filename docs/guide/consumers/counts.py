import re, urllib.request

text = urllib.request.urlopen("http://127.0.0.1:8080/metrics").read().decode()
for name in ("received", "filtered", "delivered", "retried", "dead_lettered"):
    found = re.findall(rf"^eventplane_runtime_{name}_total(?:{{.*?}})? (\S+)$", text, re.MULTILINE)
    print(name, int(sum(map(float, found))))
