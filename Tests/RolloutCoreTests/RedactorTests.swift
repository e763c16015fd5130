import RolloutCore
import Testing

@Suite struct RedactorTests {
  @Test(arguments: [
    ("write to anna.k+x@mail.example.com today", "write to [email] today"),
    ("key sk-proj-abcDEF1234567890abcdef ok", "key [key] ok"),
    ("Authorization: Bearer abc.def.ghi", "Authorization: [key]"),
    (#"{"password":"hunter22"}"#, #"{"[key]"}"#),
    ("ro_ab12cd34_0123456789abcdef0123456789abcdef_99", "[key]"),
    ("AKIA1234567890ABCDEF", "[key]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature", "[key]"),
    ("card 4111 1111 1111 1111!", "card [card]!"),
    ("order 4111 1111 1111 1112!", "order 4111 1111 1111 1112!"),
    ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [iban]."),
    ("call +49 30 1234567 or (555) 123-4567", "call [phone] or [phone]"),
    ("from 192.168.0.17", "from [ip]"),
    ("ssn 123-45-6789", "ssn [ssn]"),
    ("postgres://bob:pw@db.example/x", "[url]"),
    ("nothing here: 3 apples, version 1.2.3, 2026-11-24", nil),
    ("Grüße an Zoë 🙂", nil), ("", nil),
  ])
  func `what belongs to a person or opens a door is taken out`(text: String, expected: String?)
    throws
  {
    #expect(try Redactor().redacted(text) == expected ?? text)
  }

  @Test func `private keys go as a whole, also cut ones`() throws {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n"
    #expect(try Redactor().redacted("a \(key)") == "a [key]")
    #expect(try Redactor().redacted("\(key)-----END RSA PRIVATE KEY----- b") == "[key] b")
  }

  @Test func `own patterns are added, and bad ones refused`() throws {
    #expect(try Redactor([#"ACME-\d+"#]).redacted("ticket ACME-123") == "ticket [redacted]")
    #expect(throws: Redactor.BadPattern.self) { try Redactor(["("]) }
  }

  @Test func `long texts are cut`() throws {
    let long = String(repeating: "a ", count: 100_000)
    #expect(try Redactor().redacted(long).count == Redactor.lengthMax)
  }
}
