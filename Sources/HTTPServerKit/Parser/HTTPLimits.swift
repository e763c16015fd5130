/// What one client may cost. Times are absolute: later bytes never extend them.
package struct HTTPLimits: Sendable {
  /// Bytes of request line and fields together.
  package var headSizeMax = 16 * 1024
  package var targetSizeMax = 8 * 1024
  package var fieldCountMax = 100
  /// Bytes of chunk extensions and trailers of one request.
  package var chunkOverheadMax = 16 * 1024
  /// Bytes of a body where the service names no other limit.
  package var bodySizeMax = 1 << 20
  /// Bytes that all unfinished requests of one loop may hold. When they would hold more, the newest
  /// of whoever holds most are refused.
  package var bufferedMax = 128 << 20
  /// Bytes of answers to pipelined requests that are gathered before they are sent. While the
  /// socket does not take them no further request is read.
  package var pipelinedOutputMax = 32 * 1024
  /// Bytes of answers that all connections of one loop together may leave unread, beside those that
  /// are kept anyway. When there would be more, those who leave most are closed.
  package var unreadMax = 128 << 20
  /// Milliseconds from the first byte (or the accept) to a complete head.
  package var headTimeout = 10_000
  /// Milliseconds from the complete head to a complete body.
  package var bodyTimeout = 30_000
  package var idleTimeout = 60_000
  /// Milliseconds a blocked answer may take to leave.
  package var writeTimeout = 30_000
  /// Milliseconds that requests in flight get at shutdown.
  package var graceTimeout = 30_000
  /// Milliseconds from the last new connection taken to the listener's end at shutdown: those who
  /// were connecting get so long to be through.
  package var lastAcceptTime = 100
  /// Milliseconds at shutdown in which idle connections may still bring a request.
  package var lastRequestTime = 500

  package init() {}
}
