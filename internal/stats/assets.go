// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"crypto/sha256"
	_ "embed" // for the assets
	"encoding/hex"
	"net/http"
)

var (
	//go:embed assets/openapi.json
	openAPI []byte
	//go:embed assets/page.css
	styleSheet []byte
	//go:embed assets/page.js
	script []byte
	//go:embed assets/icon.svg
	icon []byte
)

// asset is a file of the page. Its path has a hash of its content, so that a browser may keep it for good.
type asset struct {
	path        string // without a slash at its beginning: the page may be behind a proxy, in a folder
	contentType string
	body        []byte
}

func newAsset(name, extension, contentType string, body []byte) *asset {
	hash := sha256.Sum256(body)
	return &asset{"assets/" + name + "-" + hex.EncodeToString(hash[:8]) + extension, contentType, body}
}

var (
	assetStyle  = newAsset("page", ".css", "text/css; charset=utf-8", styleSheet)
	assetScript = newAsset("page", ".js", "text/javascript; charset=utf-8", script)
	assetIcon   = newAsset("icon", ".svg", "image/svg+xml", icon)
	assets      = []*asset{assetStyle, assetScript, assetIcon}
)

func (a *asset) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	writeAs(w, http.StatusOK, a.contentType, a.body)
}
