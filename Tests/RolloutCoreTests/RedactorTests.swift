import DocumentKit
import RolloutCore
import Testing

@Suite struct RedactorTests {
  @Test(arguments: [
    ("write to anna.k+x@mail.example.com today", "write to [email] today"),
    ("zoë@müller.example", "[email]"),
    ("key sk-proj-abcDEF1234567890abcdef ok", "key [key] ok"),
    ("key:\nsk-abcDEF1234567890abcdef\nok", "key:\n[key]\nok"),
    (#"key:\nsk-abcDEF1234567890abcdef\nok"#, #"key:\n[key]\nok"#),
    ("Authorization: Bearer abc.def.ghi", "Authorization: [key]"),
    ("send it as Bearer abc.def.ghi", "send it as Bearer [key]"),
    ("Authorization: Basic dXNlcjpwYXNzd29yZA==\nHost: a", "Authorization: [key]\nHost: a"),
    ("with Basic dXNlcjpwYXNzd29yZA== it works", "with Basic [key] it works"),
    ("Cookie: session=abc; theme=dark\nHost: a", "Cookie: [key]\nHost: a"),
    ("Set-Cookie: sid=31d4d96e407aad42; Path=/", "Set-Cookie: [key]"),
    ("curl -H 'Cookie: a=b; c=d' https://x", "curl -H 'Cookie: [key]' https://x"),
    (#"{"password":"hunter22"}"#, #"{"password":"[key]"}"#),
    (#"{"password": "my, long; pass \" word"}"#, #"{"password": "[key]"}"#),
    (#"{\"password\": \"hunter2\"}"#, #"{\"password\": \"[key]\"}"#),
    ("'client_secret' => 'abc'", "'client_secret' => '[key]'"),
    ("DB_PASSWORD=hunter2", "DB_PASSWORD=[key]"), ("export TOKEN=x1", "export TOKEN=[key]"),
    ("client_secret=s3cr3t&scope=all", "client_secret=[key]&scope=all"),
    ("spring.datasource.password=abc", "spring.datasource.password=[key]"),
    ("api key: abc", "api key: [key]"), ("X-Api-Key: abc", "X-Api-Key: [key]"),
    ("my password is hunter2.", "my password is [key]"),
    ("password: hunter2, please", "password: [key], please"),
    (
      "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      "aws_secret_access_key = [key]"
    ),
    ("it is wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPL3K3Y1 there", "it is [key] there"),
    ("ro_ab12cd34_0123456789abcdef0123456789abcdef_99", "[key]"),
    ("AKIA1234567890ABCDEF", "[key]"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[key]"),
    ("github_pat_11ABCDEFG0abcdefghijkl_0123456789", "[key]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig-nature", "[key]"),
    ("card 4111 1111 1111 1111!", "card [card]!"), ("4111-1111-1111-1111 12/27", "[card] 12/27"),
    ("4111.1111.1111.1111.", "[card]."), ("version 4111.1111.1111.1112", nil),
    ("password\thunter2 x", "password\t[key] x"), ("api_key\t:\tabc def", "api_key\t:\t[key] def"),
    ("order 4111 1111 1111 1112!", "order 4111 1111 1111 1112!"),
    ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [iban]."),
    ("IBAN GB29NWBK60161331926819", "IBAN [iban]"),
    ("from 192.168.0.17", "from [ip]"), ("from 192.168.0.17:8080.", "from [ip]:8080."),
    ("at 2001:db8::8a2e:370:7334, fe80::1%eth0 and ::ffff:10.0.0.1.", "at [ip], [ip] and [ip]."),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[ip]"),
    ("ssn 123-45-6789", "ssn [ssn]"),
    ("postgres://bob:p/w@db.example/x", "[url]"),
    ("http://example.com/a and https://example.com:80/b", nil),
    ("nothing here: 3 apples, version 1.2.3, 2026-11-24 10:30:00, 05.11.2026, 05/11/26", nil),
    ("std::vector<int> A::B::c, 10:20:30, max_tokens: 500, bearer of bad news", nil),
    ("basic understanding of the token bucket; Passwords matter", nil),
    ("/Users/anna/Projects/2024/Some/Deep/Folder/With/Many/Parts/Main1.swift", nil),
    ("6f1ed002ab5595859014ebf0951522d9a3b1c2d4 550e8400-e29b-41d4-a716-446655440000", nil),
    ("0.612345678 and 3,612345678 and 12.345.678 and 1,234,567.89", nil),
    ("Grüße an Zoë 🙂", nil), ("", nil), ("password:", nil), ("password: null", nil),
    (#"{"passwords":["hunter2","hunter3"]} x"#, #"{"passwords":[key]} x"#),
    (#"say {"password": {"value": "a]b"}, "n": 1}"#, #"say {"password": [key], "n": 1}"#),
    ("<password>hunter2</password> <b>bold</b>", "<password>[key]</password> <b>bold</b>"),
    ("**Password**: hunter2", "**Password**: [key]"),
    ("**Password:** hunter2", "**Password:** [key]"),
    (#"password = """hunter2""" now"#, #"password = """[key]""" now"#),
    ("password=&quot;hunter2&quot; x", "password=&quot;[key]&quot; x"),
    ("&quot;password&quot;: 5&#39;", "&quot;password&quot;: [key]&#39;"),
    ("PASSWORD\u{A0}: hunter2", "PASSWORD\u{A0}: [key]"), ("password：hunter2", "password：[key]"),
    ("DB_PW=hunter2", "DB_PW=[key]"),
    ("password: |\n  hunter2\n  and more\nn: 1", "password: |\n[key]\nn: 1"),
    ("curl -u bob:hunter2 x", "curl -u bob:[key] x"),
    ("curl --user 'bob:hunter2' x", "curl --user 'bob:[key]' x"),
    ("SK0123456789abcdef0123456789abcdef", "[key]"),
    ("glpat-abcdefghijklmnopqrst ok", "[key] ok"),
    ("push glpat-ABCDefghIJKLmnopQRST.", "push [key]."),
    ("sk_live_abcdefghijklmnopqrstuvwx", "[key]"), ("rk_live_abcdefghijklmnop", "[key]"),
    ("pk_test_abcdefghijklmnop", "[key]"), ("ghp_abcdefghijklmnopqrstuvwxyzabcdefghij", "[key]"),
    ("sk_live_short, glpat-less and gh_pages_of_the_documentation", nil),
    ("auth: hunter2", "auth: [key]"), ("basic_auth=bob", "basic_auth=[key]"),
    ("author: anna, authors=bob, authenticated: yes", nil),
    ("?user=a&password%3Dhunter2", "?user=a&password%3D[key]"),
    ("q=password%3dhunter2&n=1", "q=password%3d[key]&n=1"),
    ("next=%2Fa%3Ftoken%253Dabc1 x", "next=%2Fa%3Ftoken%253D[key] x"),
    ("api_key%3Aabc", "api_key%3A[key]"), ("100%3D, 5% and n%3D5", nil),
    ("a > b, <b>word</b>, x -u: 5, menu: 3, token count > 5", nil),
  ])
  func `what belongs to a person or opens a door is taken out`(text: String, expected: String?)
    throws
  {
    #expect(try Redactor().redacted(text) == expected ?? text)
  }

  @Test(arguments: [
    // International, in the forms people write.
    "+49 30 1234567", "+4915112345678", "+44 (0)20 7946 0958", "0033 6 12 34 56 78",
    "+1-555-123-4567",
    "+34 612 345 678", "+61 2 9876 5432", "+353 1 234 5678",
    "+33\u{00A0}6\u{00A0}12\u{00A0}34\u{00A0}56\u{00A0}78",
    // At home: the United States, the United Kingdom, France, Germany, Spain, Australia.
    "(555) 123-4567", "555-123-4567",
    "020 7946 0958", "07700 900123", "(0161) 496 0000", "07700900123", "01632 960 001",
    "06 12 34 56 78", "06.12.34.56.78", "0612345678", "01-23-45-67-89",
    "030 1234567", "0171/1234567", "(030) 12 34 56 78", "089-123456", "0171 1234567", "01711234567",
    "612 345 678", "612345678", "91 123 45 67", "912 34 56 78", "912-345-678",
    "(02) 9876 5432", "0412 345 678", "0412345678", "1300 123 456",
  ])
  func `a telephone number is taken out in every usual form`(number: String) throws {
    let redactor = try Redactor()
    #expect(redactor.redacted("call \(number) now") == "call [phone] now")
    #expect(redactor.redacted("\(number)") == "[phone]")
    #expect(redactor.redacted("tel:\(number).") == "tel:[phone].")
  }

  @Test func `private keys go as a whole, also cut ones`() throws {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n"
    #expect(try Redactor().redacted("a \(key)") == "a [key]")
    #expect(try Redactor().redacted("\(key)-----END RSA PRIVATE KEY----- b") == "[key] b")
  }

  @Test func `texts inside JSON are read as they are meant, and names of members count`() throws {
    let redactor = try Redactor()
    let json = #"""
      [{"role":"user","content":"key:\nsk-abcDEF1234567890abcdef mail a\u0040b.example"},
      {"type":"tool_use","input":{"password":"x","pin":1234,"n":5,"card":4111111111111111}},
      {"image_url":{"url":"data:image/png;base64,AAAA"}}]
      """#
    #expect(
      redactor.redacted(json: Array(json.utf8))
        == #"""
        [{"role":"user","content":"key:\u000a[key] mail [email]"},\#
        {"type":"tool_use","input":{"password":"[key]","pin":"[key]","n":5,"card":"[card]"}},\#
        {"image_url":{"url":"[file]"}}]
        """#)
  }

  @Test(arguments: [
    (#"{"passwords":["a","b"],"n":[1]}"#, #"{"passwords":["[key]","[key]"],"n":[1]}"#),
    (
      #"{"password":{"value":"a","n":7,"on":true}}"#,
      #"{"password":{"value":"[key]","n":"[key]","on":true}}"#
    ),
    (
      #"{"tokens":["a1b2"],"api_keys":{"x":["y"]}}"#,
      #"{"tokens":["[key]"],"api_keys":{"x":["[key]"]}}"#
    ),
    (#"{"auth":"hunter2","author":"anna"}"#, #"{"auth":"[key]","author":"anna"}"#),
    (#"{"auth":{"user":"a","n":[1]}}"#, #"{"auth":{"user":"[key]","n":["[key]"]}}"#),
    (#"{"max_tokens":5,"tokens":7}"#, #"{"max_tokens":5,"tokens":7}"#),
  ])
  func `what lists and objects of secrets hold goes too`(json: String, expected: String) throws {
    #expect(try Redactor().redacted(json: Array(json.utf8)) == expected)
  }

  @Test(arguments: [
    (#"ACME-\d+"#, "ticket ACME-123 done", "ticket [redacted] done"),
    ("(?i)acme", "ACME and Acme", "[redacted] and [redacted]"),
    (#"\b[A-Z]{2,3}\d{2}\b"#, "AB12 ABCD12 xAB12", "[redacted] ABCD12 xAB12"),
    ("(?:ab|cd)+x?", "ababcdx ab", "[redacted] [redacted]"),
    ("^a.c$", "abc\nabd\na🙂c", "[redacted]\nabd\n[redacted]"),
    ("[^a-z ]+", "ab ÄÖ cd", "ab [redacted] cd"), ("é+", "café", "caf[redacted]"),
    (#"\w+@acme"#, "to bob@acme", "to [redacted]"),
  ])
  func `own patterns are added`(pattern: String, text: String, expected: String) throws {
    #expect(try Redactor([pattern]).redacted(text) == expected)
  }

  @Test(arguments: [
    "(", ")", "[", "a{", "a{5,2}", "a{999}", "*", #"\"#, #"\1"#, "(?=a)", "(?<n>a)", "[z-a]", "a*",
    "", #"\p{L}"#, "((((a{200}){200}))){3}", "[[:alpha:]]",
  ])
  func `a pattern that cannot be read or kept is refused`(pattern: String) {
    #expect(throws: Redactor.BadPattern.self) { try Redactor([pattern]) }
  }

  @Test func `long texts are cut, between characters`() throws {
    let long = String(repeating: "a ", count: 100_000)
    let kept = try Redactor().redacted(long)
    #expect(kept.hasSuffix(Redactor.cut) && kept.utf8.count <= Redactor.lengthMax + 8)
    let wide = "x" + String(repeating: "🙂", count: 30_000)
    #expect(try !Redactor().redacted(wide).contains("\u{FFFD}"))
    // All texts of a document have the room of one.
    let many = "[" + String(repeating: #""aaaaaaaaaaaaaaa ","#, count: 20_000) + "1]"
    #expect(try Redactor().redacted(json: Array(many.utf8)).utf8.count < Redactor.lengthMax * 2)
  }

  @Test(arguments: [
    "a", "a ", "a.", "a@", "@a", "a-", "-", "sk-", "eyJ", "eyJa.", "0", "0 ", "1.", "(0", "+", "a:",
    ":", "1:", "::", "=", "a=", "password", "password=", "password:\"", "\"", "\\n", "-----BEGIN ",
    "http://a:", "://", "AB12", "AB12 ", "A1b/", "is ", "password is ", "Bearer ", "🙂", "é@", "b",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "password ", "cookie:", "secret secret ",
  ])
  func `the work grows with the length and no faster`(piece: String) throws {
    try expectLinear(piece, Redactor(), 16_000, perByte: 150)
  }

  @Test(arguments: ["a", "aaaaaaaaaaaaaaab", "a@", "1x"])
  func `own patterns cannot make it grow faster`(piece: String) throws {
    let own = ["(a+)+b", "(a|aa)+$", #"\w+\d*x"#, "(a?){20}a{20}"]
    try expectLinear(piece, Redactor(own), 2000, perByte: 1500)
  }

  private func expectLinear(
    _ piece: String, _ redactor: Redactor, _ count: Int, perByte: Int
  ) throws {
    func steps(_ count: Int) -> Int {
      redactor.steps(String(repeating: piece, count: count / piece.utf8.count))
    }
    let half = steps(count / 2)
    let whole = steps(count)
    #expect(whole <= half * 5 / 2, "\(half) → \(whole)")
    #expect(whole < count * perByte, "\(whole / count) steps a byte")
  }
}
