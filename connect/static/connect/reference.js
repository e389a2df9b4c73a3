"use strict";

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // A key typed into this page stays in this page.
  persistAuthorization: false,
  // The bundle would otherwise ask a validator elsewhere to look at our document.
  validatorUrl: null,
});
