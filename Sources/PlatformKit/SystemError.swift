import Glibc

/// A system call that failed, with its name and reason.
package struct SystemError: Error, CustomStringConvertible {
  package let call: String
  package let code: Int32

  package init(_ call: String) {
    self.call = call
    code = errno
  }

  package var description: String { "\(call): \(String(cString: strerror(code)))" }
}
