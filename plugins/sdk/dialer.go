package sdk

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// PrivateVariable is the environment variable in which a host says whether a connection may
// lead to this machine and to private networks: "0" when not. Dialer keeps to it.
const PrivateVariable = "HEADWATER_PRIVATE"

// Dialer returns a dialer for connections to the vendor. Where the host does not allow it,
// it refuses addresses of this machine and of private networks, looking at the address
// that a name has come to mean at that moment. The proxy that the operator named is
// allowed wherever it is.
func Dialer() *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second}
	if os.Getenv(PrivateVariable) == "0" {
		proxies := proxies()
		d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return public(address, proxies)
		}
	}
	return d
}

// public refuses what no vendor's address can be.
func public(address string, but map[netip.AddrPort]bool) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("not an address: %w", err)
	}
	ip := a.Addr().Unmap()
	if but[netip.AddrPortFrom(ip, a.Port())] {
		return nil
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return InvalidConfig("", "the vendor's name leads to this machine or a private network").Because("PRIVATE_ADDRESS")
	}
	return nil
}

// proxies are the addresses of those in the environment.
func proxies() map[netip.AddrPort]bool {
	out := map[netip.AddrPort]bool{}
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"} {
		u, err := url.Parse(os.Getenv(name))
		if err != nil || u.Hostname() == "" {
			continue
		}
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			port = map[string]uint64{"https": 443}[u.Scheme]
			if port == 0 {
				port = 80
			}
		}
		ips, _ := net.LookupIP(u.Hostname()) // a proxy that has no address is not reached
		for _, ip := range ips {
			if a, ok := netip.AddrFromSlice(ip); ok {
				out[netip.AddrPortFrom(a.Unmap(), uint16(port))] = true
			}
		}
	}
	return out
}

// inner is what belongs to nobody's vendor, beside what package netip knows: shared address
// space, benchmarks, documentation, reserved ranges, where clouds answer about a machine, and
// the forms in which an IPv4 address hides in an IPv6 one.
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}
