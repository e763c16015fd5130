import Glibc

/// Names this run of the machine: it changes with every start, and with nothing else. nil when the
/// system does not say.
package let machineBoot: String? = {
  let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  var bytes = [UInt8](repeating: 0, count: 36)
  guard read(descriptor, &bytes, bytes.count) == bytes.count else { return nil }
  return String(decoding: bytes, as: UTF8.self)
}()
