# The operator's image. `make image` prepares the two directories from uv.lock and the sources and builds it:
# nothing is downloaded and no installer runs in here.
ARG BASE_IMAGE=python:3.13-slim
FROM ${BASE_IMAGE}
# Compiled beforehand, since the root file system is read-only; unchecked, since nothing here ever changes.
COPY dependencies/ /opt/eventplane/dependencies/
RUN ["python3", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "/opt/eventplane/dependencies"]
COPY project/ /opt/eventplane/project/
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/eventplane/project"]
ENV PYTHONPATH=/opt/eventplane/project:/opt/eventplane/dependencies \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python3", "-m", "eventplane.controllers.main"]
