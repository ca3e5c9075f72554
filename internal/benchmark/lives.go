package benchmark

import (
	"fmt"
	"time"
)

// ordered is the life of somebody who has ordered once, at some time in the last
// forty days.
func ordered(n int) [][]byte {
	at := time.Now().Add(-time.Hour - time.Duration(n%(40*24*60))*time.Minute)
	return append(identified(n), happened(n, 1, "Order Completed", at, fmt.Sprintf(`{"orderId":"o-%d","total":%d.5,"currency":"EUR"}`, n, 10+n%200)))
}

// browsed returns the life of people who did ten things: nine from the stream, five
// of them "Product Viewed", over the last forty days, and one "Cart Left" at the time
// that left tells.
func browsed(left func(person int) time.Time) Life {
	now := time.Now().Add(-time.Hour)
	return func(n int) [][]byte {
		life := identified(n)
		for k := range 9 {
			sku := (n*7 + k*131) % 500
			at := now.Add(-time.Duration((n*37+k*6113)%(40*24*60)) * time.Minute)
			name := names[0]
			if k%2 == 1 {
				name = names[1+(n+k)%(len(names)-1)]
			}
			life = append(life, happened(n, k, name, at,
				fmt.Sprintf(`{"productId":"sku-%d","price":%d.5,"currency":"EUR","quantity":1,"category":"Bedroom"}`, sku, 5+sku%90)))
		}
		return append(life, happened(n, 9, "Cart Left", left(n), `{"cartId":"c","value":12.5}`))
	}
}

// happened returns the k-th event of a person.
func happened(n, k int, name string, at time.Time, properties string) []byte {
	return fmt.Appendf(nil, `{"messageId":"life-%d-%d","userId":%q,"event":%q,"timestamp":%q,"properties":%s}`,
		n, k, UserID(n), name, at.UTC().Format(time.RFC3339Nano), properties)
}
