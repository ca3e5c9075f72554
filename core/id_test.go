package core

import (
	"testing"
	"time"
)

func TestPackAndUnpackAreReverse(t *testing.T) {
	for _, id := range []string{NewID("prof", time.Now()), HashID("evt", "a", "b"), "x_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "x_00000000000000000000000000"} {
		prefix, bits, ok := Pack(id)
		if !ok || Unpack(prefix, bits) != id {
			t.Errorf("%s came back as %s (%v)", id, Unpack(prefix, bits), ok)
		}
	}
	for _, id := range []string{"", "prof", "prof_", "prof_1", "prof_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "prof_01JD2Q3V8Z7F4M5N6P7Q8R9S0U", "prof_01jd2q3v8z7f4m5n6p7q8r9s0t"} {
		if _, _, ok := Pack(id); ok {
			t.Errorf("%q is no identifier", id)
		}
	}
}
