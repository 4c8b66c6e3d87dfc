package signature

import "testing"

const image = "my.server.com/some/path/to/image.jpg"

// The vectors and the key are from Thumbor's documentation.
func TestVectors(t *testing.T) {
	key := Key{Secret: "my-security-key"}
	for path, want := range map[string]string{
		"300x200/" + image: "8ammJH8D-7tXy6kU3lTvoXlhu4o=",
		"meta/" + image:    "Ps3ORJDqxlSQ8y00T29GdNAh2CY=",
		"smart/" + image:   "-2NHpejRK2CyPAm61FigfQgJBxw=",
		"fit-in/" + image:  "uvLnA6TJlF-Cc-L8z9pEtfasO3s=",
		"filters:brightness(10):contrast(20)/" + image: "ZZtPCw-BLYN1g42Kh8xTcRs0Qls=",
		"filters:quality(20):brightness(10)/" + image:  "H49B0suv7d2eZqsvy9oR9fsgeSM=",
	} {
		if got := key.Sign(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		valid := func(k Key, path string) bool { _, ok := Keys{k}.Find(path, want); return ok }
		if !valid(key, path) || valid(key, path+"x") || valid(Key{Secret: "other"}, path) {
			t.Errorf("%s: Find is wrong", path)
		}
		if _, ok := (Keys{{}}).Find(path, Key{}.Sign(path)); ok {
			t.Error("a key without a secret verifies a signature")
		}
		if !(Keys{}).Looks(want) {
			t.Errorf("%s does not look like a signature", want)
		}
	}
	for _, s := range []string{"", "unsafe", "wikipedia", "8ammJH8D-7tXy6kU3lTvoXlhu4o", "8ammJH8D-7tXy6kU3lTvoXlhu4.=", "8ammJH8D+7tXy6kU3lTvoXlhu4o="} {
		if (Keys{}).Looks(s) {
			t.Errorf("%q looks like a signature", s)
		}
	}
}

// openssl dgst -hmac makes these signatures, followed by a translation to base64url; imagor's IMAGOR_SIGNER_TYPE and
// IMAGOR_SIGNER_TRUNCATE give the same ones.
func TestAlgorithmsAndLengths(t *testing.T) {
	for want, key := range map[string]Key{
		"3QnVM3BeRl4S3bc29FfAryGF95aVByel9Bu_MPKAukY=":                                             {Algorithm: SHA256},
		"e5vxtr6Jmbnasc84795w6L5kjBzRbMLV9A2i5FaG0U4u9-tYdfB5LR8v7ormPhEhmoCxCrDUqh_uKi0Mx9dKUw==": {Algorithm: SHA512},
		"3QnVM3BeRl4S3bc29FfAryGF95aVByel9Bu_MPKA":                                                 {Algorithm: SHA256, Length: 40},
		"8ammJH8D-7tXy6kU3lTvoXlhu4o=":                                                             {Length: 99},
	} {
		key.Secret = "my-security-key"
		if got := key.Sign("300x200/" + image); got != want {
			t.Errorf("%s%d: %s", key.Algorithm, key.Length, got)
		}
		if !(Keys{key}).Looks(want) || (Keys{key}).Looks(want[1:]) || (Keys{key}).Looks("!"+want[1:]) {
			t.Errorf("%s: Looks is wrong", want)
		}
	}
}

// Both keys are valid while programs that sign move from one to the other.
func TestTheFirstKeyThatSigned(t *testing.T) {
	next, last := Key{Name: "next", Secret: "b", Algorithm: SHA256}, Key{Name: "last", Secret: "a"}
	all := Keys{next, last}
	for _, k := range all {
		if got, ok := all.Find(image, k.Sign(image)); !ok || got != k {
			t.Errorf("%s: %v, %v", k.Name, got, ok)
		}
	}
	if _, ok := all[:1].Find(image, last.Sign(image)); ok {
		t.Error("a key that was taken away verifies a signature")
	}
}
