# Any kind node, for an engine that cannot grant CAP_SYS_RESOURCE and so cannot run it with --privileged.
ARG NODE_IMAGE
FROM ${NODE_IMAGE}
COPY entrypoint-unprivileged /usr/local/bin/
RUN chmod 755 /usr/local/bin/entrypoint-unprivileged \
 && sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' /etc/containerd/config.toml
ENTRYPOINT ["/usr/local/bin/entrypoint-unprivileged", "/sbin/init"]
