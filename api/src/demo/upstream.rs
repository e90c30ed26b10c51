//! The demo provider's own API: what stands behind the gateway.

use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Its OpenAPI document.
pub const DOCUMENT: &str = include_str!("shipments.yaml");

/// Serves it on a port of its own for as long as the process lives.
pub async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let api = Router::new()
        .route("/shipments", get(list).post(book))
        .route("/shipments/{id}", get(one))
        .route("/shipments/{id}/events", get(events));
    tokio::spawn(async move { axum::serve(listener, api).await });
    Ok(address)
}

fn shipments() -> [Value; 3] {
    [
        json!({ "id": "SH-1003", "status": "booked", "to": "Rotterdam" }),
        json!({ "id": "SH-1002", "status": "in_transit", "to": "Gdańsk" }),
        json!({ "id": "SH-1001", "status": "delivered", "to": "Hamburg" }),
    ]
}

async fn list() -> Json<Value> {
    Json(json!(shipments()))
}

async fn book(Json(booking): Json<Value>) -> Response {
    (StatusCode::CREATED, Json(json!({ "id": "SH-1004", "status": "booked", "to": booking["to"] }))).into_response()
}

async fn one(Path(id): Path<String>) -> Response {
    match shipments().into_iter().find(|shipment| shipment["id"] == id.as_str()) {
        Some(shipment) => Json(shipment).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn events(Path(id): Path<String>) -> Response {
    if !shipments().iter().any(|shipment| shipment["id"] == id.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!([
        { "at": "2026-03-02T08:15:00Z", "place": "Warehouse" },
        { "at": "2026-03-03T17:40:00Z", "place": "Port of loading" },
    ]))
    .into_response()
}
