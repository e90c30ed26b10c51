//! The library's types, with what providers say beyond the standard.

use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, Client, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenClaims, IdTokenFields, ProviderMetadata, StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
        CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
        CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Of a discovery document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MoreMetadata {
    /// RFC 9207.
    pub authorization_response_iss_parameter_supported: Option<bool>,
    /// RFC 8414.
    pub code_challenge_methods_supported: Option<Vec<String>>,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// Of an ID token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MoreClaims {
    /// Microsoft Entra ID, which knows no `email_verified`: whether the owner of the address's domain has proven it there.
    xms_edov: Option<Value>,
}

impl AdditionalClaims for MoreClaims {}

impl MoreClaims {
    /// It comes as a truth value, a number or a text.
    pub fn owner_verified(&self) -> Option<bool> {
        let said = self.xms_edov.as_ref()?;
        Some(match said {
            Value::Bool(said) => *said,
            Value::Number(said) => said.as_u64() == Some(1),
            Value::String(said) => said == "1" || said.eq_ignore_ascii_case("true"),
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        })
    }
}

pub type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

pub type Claims = IdTokenClaims<MoreClaims, CoreGenderClaim>;

type Fields =
    IdTokenFields<MoreClaims, EmptyExtraTokenFields, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

pub type Tokens = StandardTokenResponse<Fields, CoreTokenType>;

/// A client of a provider whose discovery document was read.
pub type Asking<Token = EndpointMaybeSet> = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
    EndpointMaybeSet,
>;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_domains_owner_is_told_in_several_spellings() {
        for (said, verified) in [
            (json!({}), None),
            (json!({ "xms_edov": null }), None),
            (json!({ "xms_edov": true }), Some(true)),
            (json!({ "xms_edov": 1 }), Some(true)),
            (json!({ "xms_edov": "1" }), Some(true)),
            (json!({ "xms_edov": "True" }), Some(true)),
            (json!({ "xms_edov": false }), Some(false)),
            (json!({ "xms_edov": 0 }), Some(false)),
            (json!({ "xms_edov": "no" }), Some(false)),
            (json!({ "xms_edov": [true] }), Some(false)),
        ] {
            let claims: MoreClaims = serde_json::from_value(said.clone()).expect("claims");
            assert_eq!(claims.owner_verified(), verified, "{said}");
        }
    }
}
