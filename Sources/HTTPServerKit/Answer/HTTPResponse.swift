/// A whole answer, made anywhere and sent by the loop that owns the connection.
package struct HTTPResponse: Sendable {
  package var status: Int
  package var contentType: StaticString
  package var headers: [(name: String, value: String)]
  package var body: [UInt8]
  /// Whether the process keeps the body anyway, as it does what is compiled in: a client that does
  /// not read it then takes up no memory.
  package var isBodyKept: Bool

  package init(
    status: Int, contentType: StaticString = "application/json",
    headers: [(name: String, value: String)] = [], body: [UInt8] = [], isBodyKept: Bool = false
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
    self.isBodyKept = isBodyKept
  }

  /// RFC 9457 problem; `detail` says what to do next.
  package static func problem(
    status: Int, code: String, detail: String, headers: [(name: String, value: String)] = []
  ) -> HTTPResponse {
    var body: [UInt8] = []
    func member(_ name: StaticString, _ text: String) {
      body.append(UInt8(ascii: body.isEmpty ? "{" : ","))
      body += "\"\(name)\":\"".utf8
      for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": body += "\\\(scalar)".utf8
        case _ where scalar.value < 0x20: body += " ".utf8
        default: body += String(scalar).utf8
        }
      }
      body += "\"".utf8
    }
    member("type", "about:blank")
    member("title", reasonPhrase(status))
    body += ",\"status\":\(status)".utf8
    member("code", code)
    member("detail", detail)
    body += "}".utf8
    return HTTPResponse(
      status: status, contentType: "application/problem+json", headers: headers, body: body)
  }
}

/// RFC 9110 §15.
package func reasonPhrase(_ status: Int) -> String {
  switch status {
  case 100: "Continue"
  case 200: "OK"
  case 201: "Created"
  case 202: "Accepted"
  case 204: "No Content"
  case 304: "Not Modified"
  case 400: "Bad Request"
  case 401: "Unauthorized"
  case 402: "Payment Required"
  case 403: "Forbidden"
  case 404: "Not Found"
  case 405: "Method Not Allowed"
  case 408: "Request Timeout"
  case 409: "Conflict"
  case 411: "Length Required"
  case 412: "Precondition Failed"
  case 413: "Content Too Large"
  case 414: "URI Too Long"
  case 415: "Unsupported Media Type"
  case 417: "Expectation Failed"
  case 422: "Unprocessable Content"
  case 428: "Precondition Required"
  case 429: "Too Many Requests"
  case 431: "Request Header Fields Too Large"
  case 500: "Internal Server Error"
  case 501: "Not Implemented"
  case 502: "Bad Gateway"
  case 503: "Service Unavailable"
  case 504: "Gateway Timeout"
  case 505: "HTTP Version Not Supported"
  case 529: "Overloaded"
  default: "Status"
  }
}
