// Command sms is the connector for text messages; a host starts it.
package main

import (
	"github.com/headwater-cdp/headwater/connectors/sms"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func main() { sdk.Serve(sms.Connector{}) }
