# What real Nix says about names and slots: the formulas of the NixOS module `security.acme` (2021 and today's additions)
# over a matrix of inputs. Evaluated by `nix-instantiate --eval --strict --json`; the output is kept in identity.json.
let
  inherit (builtins)
    concatLists
    concatStringsSep
    elemAt
    genList
    hashString
    length
    replaceStrings
    sort
    substring
    ;

  mkHash = text: substring 0 20 (hashString "sha256" text);
  words = concatStringsSep " ";
  mod = a: b: a - b * (a / b);

  # The e-mail's placeholder is the module's since addresses became optional; "" is treated as none.
  noEmail = "noemail@example.com";
  accountHash =
    { server, keyType, email }:
    mkHash "${toString server} ${keyType} ${if toString email == "" then noEmail else email}";

  domainHash = { domain, extraDomainNames }: mkHash "${words extraDomainNames} ${domain}";

  certDirHash =
    c:
    mkHash (
      ''
        ${words c.extraLegoFlags} -
        ${words c.extraLegoRunFlags} -
        ${words c.extraLegoRenewFlags} -
        ${toString c.server} ${toString c.dnsProvider}
        ${toString c.ocspMustStaple} ${c.keyType}
      ''
      + (if c.csr == null then "" else " - ${c.csr}")
      + (if c.profile == null then "" else " - ${c.profile}")
    );

  keyName = replaceStrings [ "*" ] [ "_" ];

  # Nix's own order of attribute names, then round robin.
  slots =
    { certs, limit }:
    let
      names = builtins.attrNames (builtins.listToAttrs (map (name: { inherit name; value = null; }) certs));
    in
    if limit <= 0 then
      { }
    else
      builtins.listToAttrs (
        genList (i: {
          name = elemAt names i;
          value = mod i limit + 1;
        }) (length names)
      );

  staging = "https://acme-staging-v02.api.letsencrypt.org/directory";
  production = "https://acme-v02.api.letsencrypt.org/directory";
  servers = [ null "" production staging "https://acme.test/dir" "https://ca.example:14000/dir" ];
  keyTypes = [ "ec256" "ec384" "rsa2048" "rsa3072" "rsa4096" "rsa8192" ];

  product = f: xs: ys: concatLists (map (x: map (f x) ys) xs);

  plain = {
    extraLegoFlags = [ ];
    extraLegoRunFlags = [ ];
    extraLegoRenewFlags = [ ];
    server = null;
    dnsProvider = null;
    ocspMustStaple = false;
    keyType = "ec256";
    csr = null;
    profile = null;
  };

  accounts =
    product (server: keyType: { inherit server keyType; email = "hostmaster@example.test"; }) servers keyTypes
    ++ map (email: { server = production; keyType = "ec256"; inherit email; }) [
      null
      ""
      noEmail
      "Grüße@bücher.example"
      "a+b@example.test"
    ];

  certDirs =
    product (server: keyType: plain // { inherit server keyType; }) servers keyTypes
    ++ map (change: plain // change) [
      { ocspMustStaple = true; }
      { dnsProvider = "rfc2136"; }
      { dnsProvider = "cloudflare"; server = production; }
      { extraLegoFlags = [ "--dns.disable-cp" ]; }
      { extraLegoRunFlags = [ "--preferred-chain" "ISRG Root X1" ]; }
      { extraLegoRenewFlags = [ "--reuse-key" ]; }
      # The same words under other options must not collide.
      { extraLegoFlags = [ "--reuse-key" ]; }
      { extraLegoFlags = [ "--a" "--b" ]; }
      { extraLegoFlags = [ "--a --b" ]; }
      { csr = "/etc/ssl/requests/example.csr"; }
      { profile = "shortlived"; }
      { csr = "/etc/ssl/requests/example.csr"; profile = "tlsserver"; }
      {
        extraLegoFlags = [ "--x" "y z" ];
        extraLegoRunFlags = [ "--preferred-chain" "ISRG" ];
        extraLegoRenewFlags = [ "--reuse-key" ];
        server = staging;
        dnsProvider = "rfc2136";
        ocspMustStaple = true;
        keyType = "rsa4096";
      }
    ];

  domains = [
    { domain = "example.com"; extraDomainNames = [ ]; }
    { domain = "example.com"; extraDomainNames = [ "www.example.com" "foo.example.com" ]; }
    { domain = "example.com"; extraDomainNames = [ "foo.example.com" "www.example.com" ]; }
    { domain = "Example.com"; extraDomainNames = [ ]; }
    { domain = "*.example.com"; extraDomainNames = [ "example.com" ]; }
    { domain = "example.com"; extraDomainNames = [ "example.com" "example.com" ]; }
    { domain = "bücher.example"; extraDomainNames = [ "日本語.example" ]; }
    { domain = "xn--bcher-kva.example"; extraDomainNames = [ ]; }
  ];

  certNames = [ "b.example" "a.example" "10.example" "_x" "Z.example" "a.b.example" "9.example" "a-b.example" ];
  assignments =
    map (limit: { inherit limit; certs = certNames; }) [ (-1) 0 1 2 3 5 8 100 ]
    ++ [
      { limit = 5; certs = [ ]; }
      { limit = 5; certs = [ "one.example" ]; }
      # Bytes decide: not letters, not UTF-16 units.
      { limit = 4; certs = [ "é" "z" "𐀀" "ﬀ" "@" "+" "-" "." "A" "a" "_" "0" ]; }
    ];

  each = f: map (input: { inherit input; output = f input; });
in
{
  accountHash = each accountHash accounts;
  certDirHash = each certDirHash certDirs;
  domainHash = each domainHash domains;
  keyName = each keyName [ "example.com" "*.example.com" "*.*.example.com" "a_b.example" ];
  slots = each slots assignments;
}
