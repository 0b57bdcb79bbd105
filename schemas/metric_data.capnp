# The wire of the exporter-proxy's Cap'n Proto receivers: a connection carries any number of
# InboundMetrics messages in the standard stream framing.

@0xfb4ded7f739d5651;

struct InboundMetrics {
  appName @0 :Text;
  # Whose metrics these are. They replace all that this application sent before.

  data @1 :Text;
  # Exposition text, as Prometheus reads it.

  ttlSeconds @2 :UInt32;
  # How long the metrics live without another message. 0 (absent): as the receiver is configured;
  # 0xFFFFFFFF: for ever.
}

struct InboundMetricsBytes {
  # InboundMetrics as the proxy reads it. Text and Data are the same on the wire (Text has a NUL at
  # its end); Data can be looked at in place, where Text would be copied and decoded in one go.

  appName @0 :Text;
  data @1 :Data;
  ttlSeconds @2 :UInt32;
}
