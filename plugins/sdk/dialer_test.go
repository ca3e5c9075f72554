package sdk

import (
	"errors"
	"net"
	"testing"
)

func TestDialerKeepsToPublicAddresses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("HTTP_PROXY", "")
	for private, ok := range map[string]bool{"": true, "1": true, "0": false} {
		t.Setenv(PrivateVariable, private)
		conn, err := Dialer().DialContext(t.Context(), "tcp", l.Addr().String())
		if (err == nil) != ok {
			t.Errorf("with %q: %v", private, err)
		}
		var f *Fault
		if err != nil && (!errors.As(err, &f) || f.Reason != "PRIVATE_ADDRESS") {
			t.Errorf("refused with %v", err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
	t.Setenv(PrivateVariable, "0")
	t.Setenv("HTTPS_PROXY", "http://"+l.Addr().String())
	if conn, err := Dialer().DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Errorf("the proxy is refused: %v", err)
	} else {
		_ = conn.Close()
	}
	for address, ok := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true, "10.1.2.3:443": false, "169.254.169.254:80": false, "[::1]:80": false,
		"[::ffff:127.0.0.1]:80": false, "0.0.0.0:80": false, "100.100.1.1:80": false, "[fd00::1]:80": false, "[64:ff9b::7f00:1]:80": false,
		"0.1.2.3:80": false, "192.0.0.192:80": false, "168.63.129.16:80": false, "198.18.0.1:80": false, "240.0.0.1:80": false, "[::7f00:1]:80": false,
		"[64:ff9b:1::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001:0:7f00:1::]:80": false, "[fec0::1]:80": false, "[fe80::1%25eth0]:80": false,
	} {
		if err := public(address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}
