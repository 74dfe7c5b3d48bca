"""Passwords as they are written in the settings."""

from wan.environment.passwords import hash_password, is_password_of

# by OpenSSL 3.0: openssl kdf -keylen 32 -kdfopt pass:... -kdfopt salt:0123456789abcdef
# -kdfopt n:1024 -kdfopt r:8 -kdfopt p:2 SCRYPT
BY_OPENSSL = "$scrypt$10-8-2$MDEyMzQ1Njc4OWFiY2RlZg$I4YuHpx_6xJJ4-sk74hQU-KhW--gPE8aHzXbHijxgzg"


def test_a_hashed_password_is_known_again_and_no_other_is():
    logins = {"ann": hash_password("pässword"), "bob": "plain"}
    assert "pässword" not in logins["ann"]
    for name, given, right in (
        ("ann", "pässword", True),
        ("ann", "password", False),
        ("ann", "", False),
        ("ann", logins["ann"], False),
        ("bob", "plain", True),
        ("bob", "plain ", False),
        ("cleo", "pässword", False),
        ("cleo", "plain", False),
    ):
        assert is_password_of(logins, name, given) is right
    assert is_password_of({}, "ann", "") is False


def test_each_hash_has_a_salt_of_its_own():
    assert hash_password("same") != hash_password("same")


def test_it_is_scrypt_as_others_have_it():
    assert is_password_of({"ann": BY_OPENSSL}, "ann", "correct horse") is True
