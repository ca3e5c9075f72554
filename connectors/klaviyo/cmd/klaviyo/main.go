// Command klaviyo is the Klaviyo connector; a host starts it.
package main

import (
	"github.com/headwater-cdp/headwater/connectors/klaviyo"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func main() { sdk.Serve(klaviyo.Connector{}) }
